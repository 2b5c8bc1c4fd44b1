"""A hook that hangs, refuses to be cancelled or raises what ends a program ends its own request and nothing else."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import httpx
import pytest
from under_attack import PATHS, Attacked, Provider, asking, model

PLUGINS = """
import asyncio
import sys
import time

from llm_gateway_sdk import Plugin, plugin_metadata

PHASES = ("before_request", "before_model", "after_model", "after_chunk", "on_model_error", "after_request",
          "detached_after_response")


def act(how):
    match how:
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancelled":
            raise asyncio.CancelledError
        case "generator exit":
            raise GeneratorExit
        case "stop":
            raise StopIteration
        case "stop async":
            raise StopAsyncIteration
        case "recursion":
            act_again = lambda: act_again()
            act_again()
        case "memory":
            raise MemoryError
        case "base":
            raise BaseException("of no kind")
        case "group":
            raise BaseExceptionGroup("of two", [SystemExit(4), KeyboardInterrupt()])


class Acting(Plugin):
    # Does what the header `x-act` of the request, or else its configuration asks for: a phase, and how to act in it.

    async def configure(self, config):
        self.asked = config["phase"], config["how"]

    def wants(self, phase, ctx):
        return phase == self.order(ctx)[0]

    def order(self, ctx):
        phase, _, how = (ctx.http_request.headers.get("x-act") or "").partition(";")
        return (phase, how) if phase else self.asked


@plugin_metadata(name="plain", version="1.0.0", configuration_schema={"type": "object"})
class Plain(Acting):
    pass


@plugin_metadata(name="waiting", version="1.0.0", configuration_schema={"type": "object"})
class Waiting(Acting):
    pass


@plugin_metadata(name="threaded", version="1.0.0", configuration_schema={"type": "object"})
class Threaded(Acting):
    blocking = True


def plain(phase):
    def hook(self, ctx):
        wanted, how = self.order(ctx)
        if wanted == phase:
            if how == "block":
                time.sleep(3600)
            act(how)
    return hook


def waiting(phase):
    async def hook(self, ctx):
        wanted, how = self.order(ctx)
        if wanted != phase:
            return
        if how == "hang":
            await asyncio.sleep(3600)
        while how == "swallow":
            try:
                await asyncio.sleep(3600)
            except BaseException:
                pass
        await asyncio.sleep(0)
        act(how)
    return hook


for phase in PHASES:
    setattr(Plain, phase, plain(phase))
    setattr(Threaded, phase, plain(phase))
    setattr(Waiting, phase, waiting(phase))


@plugin_metadata(name="witness", version="1.0.0", configuration_schema={"type": "object"})
class Witness(Plugin):
    def detached_after_response(self, ctx):
        print("witnessed", ctx.project, flush=True)
"""

PHASES = (
    "before_request", "before_model", "after_model", "after_chunk", "on_model_error", "after_request",
    "detached_after_response",
)  # fmt: skip
RAISED = (
    "exit", "interrupt", "cancelled", "generator exit", "stop", "stop async", "recursion", "memory", "base", "group",
)  # fmt: skip
KINDS = ("plain", "waiting", "threaded")


def slug(*words: str) -> str:
    return re.sub(r"[^a-z]", "-", "-".join(words))


def project(name: str, kind: str, phase: str, how: str) -> dict[str, Any]:
    acting = {"name": "acting", "type": kind, "config": {"phase": phase, "how": how}}
    return {"name": name, "plugins": [acting]}


def configuration(provider: str, *projects: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "models": [
            *[model(dialect, provider, dialect) for dialect in ("chat", "anthropic")],
            model("chat", "http://127.0.0.1:9", "broken"),
        ],
        "availablePlugins": [{"path": "./plugins.py"}],
        "projects": list(projects),
        **more,
    }


@pytest.fixture(scope="module")
def raising(attack: Callable[..., Attacked], provide: Callable[..., Provider]) -> Attacked:
    """A project for each kind of hook; phase and exception come with the request."""
    projects = [project(kind, kind, "", "") for kind in KINDS]
    return attack(configuration(provide().url, *projects), files={"plugins.py": PLUGINS})


@pytest.mark.parametrize("how", RAISED)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_hook_raises_ends_its_request_alone(kind: str, phase: str, how: str, raising: Attacked) -> None:
    stream = phase == "after_chunk"
    name = "broken" if phase == "on_model_error" else "chat"
    for client in ("chat", "anthropic"):
        body, order = asking(client, name=name, stream=stream), {"x-act": f"{phase};{how}"}
        reply = raising.http.post(f"/{kind}{PATHS[client]}", json=body, headers=order)

        if phase in ("after_request", "detached_after_response"):
            assert reply.status_code == 200
        elif reply.status_code == 200:
            assert stream
            assert "error" in reply.text, "a stream that has begun ends with an error"
        else:
            assert reply.status_code in (500, 502)
            assert reply.json()["error"]["message"]
    assert raising.process.poll() is None
    assert raising.http.get("/health/ready").status_code == 200


HUNG = 40
"""More than all workers of detached hooks."""


def test_hung_hooks_keep_no_others_from_their_work(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    hanging = [
        project(slug(kind, how, phase), kind, phase, how)
        for kind, how in (("waiting", "hang"), ("waiting", "swallow"), ("threaded", "block"))
        for phase in ("detached_after_response", "after_request")
    ]
    witness = {"name": "well", "plugins": [{"name": "witness", "type": "witness"}]}
    both = {"name": "both", "plugins": [*hanging[0]["plugins"], *witness["plugins"]]}
    config = configuration(provide().url, *hanging, witness, both, server={"limits": {"drainTimeout": "1s"}})
    attacked = attack(config, files={"plugins.py": PLUGINS})

    for each in hanging:
        for _ in range(HUNG):
            assert attacked.http.post(f"/{each['name']}{PATHS['chat']}", json=asking("chat", name="chat")).is_success
    for name in ("well", "both"):
        for _ in range(20):
            assert attacked.http.post(f"/{name}{PATHS['chat']}", json=asking("chat", name="chat")).is_success

    assert attacked.wait_for(lambda: attacked.log.count("witnessed well") == 20, 5), "other projects"
    assert attacked.wait_for(lambda: attacked.log.count("witnessed both") == 20, 5), "other plugins of the project"
    assert attacked.stop(15) == 0, "what hangs does not keep the process"


ENDLESS = [
    (kind, phase, how)
    for kind, how in (("waiting", "hang"), ("waiting", "swallow"), ("threaded", "block"))
    for phase in ("before_model", "after_chunk")
]


@pytest.mark.parametrize("signals", [1, 2])
def test_a_hook_that_goes_on_keeps_neither_its_client_nor_the_process(
    signals: int, attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    projects = [project(slug(*case), *case) for case in ENDLESS]
    limits = {"limits": {"drainTimeout": "1s"}}
    attacked = attack(
        configuration(provide().url, *projects, requestTimeout="2s", server=limits), files={"plugins.py": PLUGINS}
    )

    def ask(case: tuple[str, str, str]) -> httpx.Response:
        body = asking("chat", name="chat", stream=case[1] == "after_chunk")
        return httpx.post(f"{attacked.url}/{slug(*case)}{PATHS['chat']}", json=body, trust_env=False, timeout=20)

    with ThreadPoolExecutor() as threads:
        at = time.monotonic()
        replies = list(threads.map(ask, ENDLESS))
        assert time.monotonic() - at < 12
        assert [reply.status_code for reply in replies if "error" not in reply.text] == []

        waiting = [threads.submit(ask, case) for case in ENDLESS]
        time.sleep(0.5)
        at = time.monotonic()
        for _ in range(signals):
            attacked.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        assert attacked.process.wait(20) is not None
        assert time.monotonic() - at < (12 if signals == 1 else 5)
        wait(waiting)


NEVER_CLOSED = """
import asyncio

from llm_gateway_sdk import Plugin, PluginMetadata


class Waiting(Plugin):
    metadata = PluginMetadata(name="never-closed", version="1")

    async def before_model(self, ctx):
        return None

    async def close(self):
        while True:  # as a library does that takes a cancellation for its own
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass


class Last(Plugin):
    metadata = PluginMetadata(name="closed-after-it", version="1")

    async def before_model(self, ctx):
        return None

    async def close(self):
        print("closed after it", flush=True)
"""


def test_a_plugin_that_never_closes_keeps_no_other_open_and_not_the_process(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    plugins = [{"name": name, "type": name} for name in ("never-closed", "closed-after-it")]
    attacked = attack(
        configuration(
            provide().url,
            availablePlugins=[{"path": "plugins.py"}],
            plugins=plugins,
            server={"limits": {"drainTimeout": "1s"}},
        ),
        files={"plugins.py": NEVER_CLOSED},
    )
    assert attacked.stop(20) == 0
    assert "the plugin 'never-closed' has not closed in time" in attacked.log
    assert "closed after it" in attacked.log
