"""What a request held is freed when it ends, whatever became of it, and does not wait for the garbage collector.

The collector counts objects, not bytes: a request whose objects hold each other in a circle keeps its body, and with a
few hundred requests of 60 MB nothing is left of the memory before it runs once.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from loopback import Call, Gateway, Upstream, config, gateway, model, request, run, until, upstream
from test_lifecycle_matrix import KEEPER, OUTCOMES, ROUTES, leave

from llm_gateway_sdk.wire.freeing import Freeing

_TRACE = {
    "clickhouse": {"url": "http://127.0.0.1:9", "database": "traces"},
    "spool": {"path": "spool", "maxBytes": 1 << 24},
    "capture": {"original": "all"},
}
_LIMIT = {"name": "all", "per": ["project"], "tokens": 10**12, "window": "1m"}
_ROUTER = {"models": [{"name": "m"}, {"name": "n"}], "strategy": "sticky", "stickyBy": "conversation"}
PLUGINS: dict[str, list[dict[str, Any]]] = {
    "no plugin": [],
    "router": [{"name": "route", "type": "model-router", "config": _ROUTER}],
    "all plugins": [
        {"name": "trace", "type": "clickhouse-tracer", "config": _TRACE},
        {"name": "log", "type": "logger", "config": {"level": "debug"}},
        {"name": "count", "type": "limits", "config": {"limits": [_LIMIT], "ledger": True}},
        {"name": "prompt", "type": "prompt-manager", "config": {"mode": "before", "prompt": "Be brief."}},
        {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": "abc"}]}},
        {"name": "route", "type": "model-router", "config": _ROUTER},
    ],
}
_LONG = "many words, " * 60_000
"""A text with which a body is heavy, so that it is read and written in a thread."""
Ask = Callable[[], Awaitable[None]]


async def circles_after(ask: Ask, served: Gateway) -> Counter[str]:
    """The gateway's objects that only the garbage collector found after a request. The first one is not counted: what
    is made once and replaced is not a request's."""
    for turn in range(2):
        if turn:
            gc.collect()
            gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await ask()
            await served.supervisor.drain(5)
            await asyncio.sleep(0.01)
        except BaseException:
            gc.set_debug(0)
            raise
    try:
        gc.collect()
        found = [type(each) for each in gc.garbage]
        return Counter(each.__qualname__ for each in found if each.__module__.startswith("llm_gateway"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


@asynccontextmanager
async def serving(
    folder: Path, script: Callable[[Call], Awaitable[None]], kind: str, plugins: str
) -> AsyncIterator[tuple[Gateway, Upstream]]:
    (folder / "keeper.py").write_text(KEEPER)
    given = json.loads(json.dumps(PLUGINS[plugins]).replace('"path": "spool"', f'"path": "{folder / "spool"}"'))
    async with upstream(script) as up:
        settings = config(
            model(up.url, kind),
            model(up.url, kind, "n"),
            availablePlugins=[{"path": str(folder / "keeper.py")}],
            plugins=[{"name": "gate", "type": "gate"}, *given],
            nativePaths=["/v1/moderations"],
            breaker={"enabled": False},
            logging={"level": "critical"},
        )
        (folder / "gateway.json").write_text(json.dumps(settings))
        async with gateway(folder / "gateway.json") as served:
            yield served, up


@pytest.mark.parametrize("plugins", PLUGINS)
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_request_leaves_no_circle(tmp_path: Path, kind: str, plugins: str) -> None:
    async def main() -> dict[str, Counter[str]]:
        found = {}
        async with serving(tmp_path, OUTCOMES["ok"][0], kind, plugins) as (served, up):
            for how, (script, headers) in OUTCOMES.items():
                up.script = script
                for name in ROUTES:
                    ask = partial(end, served, up, name, how, headers)
                    if not skipped(name, how, plugins) and (circles := await circles_after(ask, served)):
                        found[f"{name} - {how}"] = circles
        return found

    assert run(main(), 100) == {}


def skipped(name: str, how: str, plugins: str) -> bool:
    left = how.startswith("client left")
    return (left and not ROUTES[name][2]) or (plugins != "all plugins" and how.endswith("watched"))


async def end(served: Gateway, up: Upstream, name: str, how: str, headers: dict[str, str]) -> None:
    """One request that ends so."""
    path, body, _ = ROUTES[name]
    client = await served.connect()
    up.calls.clear()
    await client.send("GET" if name == "models" else "POST", path, body or None, headers)
    if how.startswith("client left"):
        await leave(client, served, up.calls, stream="stream" in name)
        await until(lambda: up.busy == 0)
    else:
        await client.reply()
        client.close()
    served.clients.remove(client)


_PARTS = [{"role": "user", "parts": [{"text": "hello"}]}]
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gemini": ("/gemini/v1beta/models/m:generateContent", {"contents": _PARTS}),
    "gemini, streamed": ("/gemini/v1beta/models/m:streamGenerateContent", {"contents": _PARTS}),
    "bedrock": ("/bedrock/model/m/converse", {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}),
    "responses, not kept": ("/openai/v1/responses", {"model": "m", "input": "hello", "store": False}),
    "an unknown response": ("/openai/v1/responses", {"model": "m", "input": "x", "previous_response_id": "resp_9"}),
    "not readable": ("/openai/v1/chat/completions", {"model": "m", "messages": 7}),
}


def test_neither_does_one_of_another_api(tmp_path: Path) -> None:
    async def main() -> dict[str, Counter[str]]:
        found = {}
        async with serving(tmp_path, OUTCOMES["ok"][0], "anthropic", "no plugin") as (served, _):
            for name, (path, body) in OTHERS.items():

                async def ask(path: str = path, body: Any = body) -> None:
                    await served.ask(body, path=path)
                    served.clients.clear()

                if circles := await circles_after(ask, served):
                    found[name] = circles
        return found

    assert run(main()) == {}


@pytest.mark.parametrize("plugins", ["no plugin", "all plugins"])
def test_neither_does_a_heavy_one(tmp_path: Path, plugins: str) -> None:
    async def main() -> dict[str, Counter[str]]:
        found = {}
        async with serving(tmp_path, OUTCOMES["ok"][0], "anthropic", plugins) as (served, _):
            for name in ("chat", "responses", "messages"):
                for stream in (False, True):
                    body = request(name, stream=stream, text=_LONG)
                    path = ROUTES[f"{name}, whole"][0]

                    async def ask(path: str = path, body: Any = body) -> None:
                        assert (await served.ask(body, path=path)).status == 200
                        served.clients.clear()

                    if circles := await circles_after(ask, served):
                        found[f"{name}, {stream}"] = circles
            await until(lambda: not Freeing._noted)
        return found

    assert run(main()) == {}
