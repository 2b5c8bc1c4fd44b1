"""No request holds the event loop: while heavy ones are served, `/health/live` answers and small requests go on.

HEAVY_LONG=1 tries every place with every provider and set of plugins, at the bounds of the default configuration.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bystanders import Bystanders, send_raw
from heavy_bodies import CLIENTS, Heavy, heavy_bodies, heavy_inputs

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "end_to_end"))

from served_gateway import ServedGateway  # noqa: E402

LONG = bool(os.environ.get("HEAVY_LONG"))
ITEMS = 195_000
SIZE = 60 << 20 if LONG else 2 << 20
HEALTH_SECONDS = 0.1
SMALL_SECONDS = 0.1
"""What the slowest of a hundred small requests may take where heavy ones follow one another without a pause: each of
them has some calls of the JSON engine of up to 50 ms, which let no other thread go on."""
MODEL = "@@model@@"
TRIES = 3
"""A case is slow only where it is slow each time: other programs of the machine hold up a test, too."""
PROVIDERS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
COUNTS = {
    "openai_responses": "/openai/v1/responses/input_tokens",
    "anthropic": "/anthropic/v1/messages/count_tokens",
    "gemini": "/gemini/v1beta/models/{model}:countTokens",
}
SMALL: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "hello"}]},
    "openai_responses": {"input": "hello"},
    "anthropic": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
}
Asked = tuple[str, str, bytes]
"""Name, path and body of a request."""
PROJECTS = ["plain", "hides", "prompts", "counts", "logs", "all"]
PATTERNS = (r"\b\d{3}-\d{2}-\d{4}\b", r"[a-z0-9_.+-]+@[a-z0-9.-]+\.[a-z0-9.]+")
HIDE = {
    "name": "hide",
    "type": "regex-hider",
    "config": {
        "patterns": [{"pattern": r"\b\d{3}-\d{2}-\d{4}\b"}, {"pattern": r"[a-z0-9_.+-]+@[a-z0-9.-]+\.[a-z0-9.]+"}]
    },
}
PROMPT = {"name": "prompt", "type": "prompt-manager", "config": {"mode": "before", "prompt": "Be brief."}}
COUNT = {
    "name": "count",
    "type": "limits",
    "config": {"limits": [{"name": "all", "per": ["project"], "tokens": 10**12, "window": "1m"}]},
}
LOG = {"name": "log", "type": "logger", "config": {"level": "debug"}}

pytestmark = pytest.mark.timeout(36_000 if LONG else 300)


def configuration(port: int) -> dict[str, object]:
    models = []
    for kind in ("plain", "text", "matches", "parts", "stream", "event"):
        url = f"http://127.0.0.1:{port}/{kind}"
        for name, (provider, config) in {
            "openai_chat": ("openai", {"baseUrl": f"{url}/v1", "api": "chat"}),
            "openai_responses": ("openai", {"baseUrl": f"{url}/v1", "api": "responses"}),
            "anthropic": ("anthropic", {"baseUrl": url}),
            "gemini": ("gemini", {"baseUrl": f"{url}/v1beta"}),
            "bedrock": ("bedrock", {"baseUrl": url, "region": "eu-central-1"}),
        }.items():
            settings = {**config, "apiKey": "sk-upstream", "model": "m", "retryAttempts": 1}
            models.append({"name": f"{kind}-{name}", "provider": {"type": provider, "config": settings}})
    models.append({"name": "echo", "provider": {"type": "echo"}})
    plugins = {"plain": [], "hides": [HIDE], "prompts": [PROMPT], "counts": [COUNT], "logs": [LOG]}
    plugins["all"] = [LOG, COUNT, PROMPT, HIDE]
    return {
        "models": models,
        "projects": [{"name": name, "plugins": plugins[name]} for name in PROJECTS],
        "logging": {"level": "error"},
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    command = [sys.executable, str(HERE / "null_upstream.py")]
    environ = {**os.environ, "HEAVY_REPLY_BYTES": str((32 if LONG else 1) << 20)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as upstream:
        assert upstream.stdout is not None
        gateway = ServedGateway(configuration(int(upstream.stdout.readline())), tmp_path_factory.mktemp("heavy"))
        try:
            yield gateway
        finally:
            gateway.stop()
            upstream.kill()


@pytest.fixture
def bystanders(served: ServedGateway) -> Iterator[Bystanders]:
    clients = Bystanders(int(served.url.rpartition(":")[2]), "plain-openai_chat", served.process.pid)
    time.sleep(0.5)
    yield clients
    clients.close()


def judge(bystanders: Bystanders, ask: Callable[[], tuple[int, bytes]]) -> str | None:
    """What is wrong with how a request is served, None where nothing is."""
    waited = []
    for _ in range(TRIES):
        began = time.perf_counter()
        status, reply = ask()
        time.sleep(0.02)
        if os.environ.get("HEAVY_SHOW"):
            took = time.perf_counter() - began
            print(status, reply[:120], f"{bystanders.longest(began) * 1000:.0f} ms of {took:.2f} s")
        if status >= 500:
            return f"answered {status}: {reply[:300]!r}"
        waited.append(bystanders.longest(began))
        if waited[-1] < HEALTH_SECONDS:
            return None
    return f"held /health/live for {min(waited) * 1000:.0f} ms ({time.perf_counter() - began:.1f} s in all, {status})"


def chosen(cases: list[Heavy], count: int) -> list[Heavy]:
    """A few of the cases: some of each kind, from all over the type."""
    if LONG:
        return cases
    kinds = {kind: [case for case in cases if case.kind == kind] for kind in ("list", "keys", "nested", "text")}
    return [case for same in kinds.values() for case in same[:: max(1, len(same) // count)][:count]]


def serve(bystanders: Bystanders, asked: Iterator[Asked]) -> list[str]:
    """What is wrong with how the requests are served, one after the other, and with what others had of it."""
    wrong = []
    idle = bystanders.p99()
    began = time.perf_counter()
    for name, path, body in asked:
        found = judge(bystanders, functools.partial(send_raw, bystanders.port, path, body))
        if found is not None:
            wrong.append(f"{name}: {found}")
    meanwhile, allowed = bystanders.p99(began), max(3 * idle, SMALL_SECONDS)
    if meanwhile > allowed:
        wrong.append(f"small requests: p99 {meanwhile * 1000:.1f} ms, {idle * 1000:.1f} ms without heavy ones")
    return wrong


def requests(client: str) -> Iterator[Asked]:
    number = 0
    for case in chosen(list(heavy_bodies(client, items=ITEMS, size=SIZE, model=MODEL)), 2):
        for provider, project in combinations(number):
            number += 1
            model, route = f"plain-{provider}", CLIENTS[client]
            body = case.body.replace(MODEL.encode(), model.encode(), 1)
            if number % 2 and client == "gemini":
                route = route.replace(":generateContent", ":streamGenerateContent")
            elif number % 2:
                body = body[:-1] + b',"stream":true}'
            name = f"{client}{case.path} ({case.kind}) to {provider} in {project}"
            yield name, f"/{project}{route.format(model=model)}", body


def other_operations() -> Iterator[Asked]:
    """Counts of tokens, embeddings and a vendor's own endpoints."""
    number = 0
    for client, route in COUNTS.items():
        for case in chosen(list(heavy_bodies(client, items=ITEMS, size=SIZE, model=MODEL)), 1):
            for provider, project in combinations(number):
                number += 1
                model = f"plain-{provider}" if number % 3 else "echo"
                body = case.body.replace(MODEL.encode(), model.encode(), 1)
                path = f"/{project}{route.format(model=model)}"
                yield f"count {client}{case.path} ({case.kind}) with {model} in {project}", path, body
    for case in chosen(list(heavy_inputs(items=ITEMS, size=SIZE, model="plain-openai_chat")), 2):
        for project in PROJECTS if LONG else [PROJECTS[1], PROJECTS[3], PROJECTS[5]]:
            yield f"embed {case.path} in {project}", f"/{project}/openai/v1/embeddings", case.body
            yield f"native {case.path} in {project}", f"/{project}/openai/v1/moderations", case.body


def echoed() -> Iterator[Asked]:
    """A provider in the gateway itself."""
    for case in chosen(list(heavy_bodies("openai_chat", items=ITEMS, size=SIZE, model="echo")), 2):
        if case.path.startswith(".messages"):
            for stream in (b"", b',"stream":true'):
                yield f"echo{case.path} {stream!r}", "/plain/openai/v1/chat/completions", case.body[:-1] + stream + b"}"


def small_requests_for_heavy_replies() -> Iterator[Asked]:
    number = 0
    for client, route in CLIENTS.items():
        for kind in ("text", "matches", "parts", "stream", "event"):
            for provider, project in combinations(number):
                number += 1
                if kind in ("stream", "event"):
                    provider = "openai_chat"
                model = f"{kind}-{provider}"
                body = json.dumps(SMALL[client] if client == "gemini" else {**SMALL[client], "model": model}).encode()
                for stream in (False, True):
                    path = route.format(model=model)
                    if stream and client == "gemini":
                        path = path.replace(":generateContent", ":streamGenerateContent")
                    elif stream:
                        body = body[:-1] + b',"stream":true}'
                    yield f"{client}, {kind} of {provider} in {project}, {stream=}", f"/{project}{path}", body


def combinations(number: int) -> list[tuple[str, str]]:
    """Providers and projects: all in the long form, else the next of them."""
    pairs = [(provider, project) for provider in PROVIDERS for project in PROJECTS]
    return pairs if LONG else [pairs[7 * number % len(pairs)]]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_heavy_request_holds_up_no_other(bystanders: Bystanders, client: str) -> None:
    wrong = serve(bystanders, requests(client))

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("asked", [other_operations, echoed, small_requests_for_heavy_replies])
def test_neither_does_another_operation_nor_a_heavy_reply(
    bystanders: Bystanders, asked: Callable[[], Iterator[Asked]]
) -> None:
    wrong = serve(bystanders, asked())

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("client", CLIENTS)
def test_more_values_than_are_taken_are_refused_in_the_clients_shape(bystanders: Bystanders, client: str) -> None:
    """However many they are, the others go on."""
    cases = heavy_bodies(client, items=3_000_000, size=1, model="plain-gemini")
    case = next(case for case in cases if case.kind == "list")
    path = f"/plain{CLIENTS[client].format(model='plain-gemini')}"
    began = time.perf_counter()

    status, reply = send_raw(bystanders.port, path, case.body)

    error = json.loads(reply)["error"]
    assert status == 413
    assert "200000 values" in error["message"]
    assert bystanders.longest(began) < 3 * HEALTH_SECONDS
