"""Every route, dialect, way and outcome: `before_request` once, `after_request` once, and the right counts."""

from __future__ import annotations

# ruff: noqa: SIM117
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    Call,
    Client,
    Gateway,
    chat_stream,
    chat_whole,
    config,
    gateway,
    message_stream,
    message_whole,
    model,
    request,
    run,
    until,
    upstream,
)

KEEPER = """
from llm_gateway_sdk import *

SEEN = []

@plugin_metadata(name="keeper", version="1.0.0", configuration_schema={})
class Keeper(Plugin):
    def before_request(self, ctx):
        SEEN.append(("before", ctx.request_id, ctx.operation, ctx.estimate()))
        self.seen = SEEN

    async def after_request(self, ctx):
        SEEN.append(("after", ctx.request_id, ctx.metrics, ctx.error, ctx.attempts))

@plugin_metadata(name="gate", version="1.0.0", configuration_schema={})
class Gate(Plugin):
    def before_model(self, ctx):
        if "x-refuse" in ctx.headers:
            return PluginResult(success=False, error="no", status=400)
        if "x-cached" in ctx.headers:
            message = Message("assistant", [TextPart("from the cache")])
            ctx.response = LLMResponse(id="r", model="m", choices=[Choice(0, message, "stop")])
            return PluginResult(terminate=True)

    def after_chunk(self, ctx):
        return None

    def wants(self, phase, ctx):
        return phase != "after_chunk" or "x-watched" in ctx.headers
"""

LONG = "The quick brown fox jumps over the lazy dog, and the dog takes no notice of it at all. "


def routes() -> dict[str, tuple[str, dict[str, Any], bool]]:
    """By name: path, body, whether it is generation."""
    found: dict[str, tuple[str, dict[str, Any], bool]] = {}
    for stream in (False, True):
        way = "stream" if stream else "whole"
        found[f"chat, {way}"] = ("/openai/v1/chat/completions", request("chat", stream=stream), True)
        found[f"responses, {way}"] = ("/openai/v1/responses", request("responses", stream=stream), True)
        found[f"messages, {way}"] = ("/anthropic/v1/messages", request("messages", stream=stream), True)
    found["embeddings"] = ("/openai/v1/embeddings", {"model": "m", "input": LONG}, False)
    counted = {"model": "m", "messages": request("messages")["messages"]}
    found["count_tokens"] = ("/anthropic/v1/messages/count_tokens", counted, False)
    found["native"] = ("/openai/v1/moderations", {"model": "m", "input": LONG}, False)
    found["models"] = ("/openai/v1/models", {}, False)
    return found


ROUTES = routes()


async def answers(call: Call) -> None:
    if call.path.endswith("/embeddings"):
        usage = {"prompt_tokens": 21, "total_tokens": 21}
        vector = {"object": "embedding", "index": 0, "embedding": [0.5] * 3000}
        await call.send(200, {"object": "list", "data": [vector], "model": "up", "usage": usage})
    elif call.path.endswith("/moderations"):
        await call.send(200, {"id": "m", "results": []})
    elif call.path.endswith("/count_tokens"):
        await call.send(200, {"input_tokens": 9})
    elif call.streaming:
        if call.path.endswith("/messages"):
            events = message_stream("a", "b")
        else:
            usage = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": []}
            usage["usage"] = chat_whole()["usage"]
            *rest, done = chat_stream("a", "b")
            events = [*rest, f"data: {json.dumps(usage)}\n\n".encode(), done]
        await call.stream(b"".join(events))
    else:
        await call.send(200, message_whole() if call.path.endswith("/messages") else chat_whole())


async def fails(call: Call) -> None:
    await call.send(500, {"error": {"message": "no", "type": "server_error"}})


async def breaks_off(call: Call) -> None:
    if call.streaming:
        texts = [LONG] * 3
        messages = call.path.endswith("/messages")
        await call.open_stream()
        await call.chunk(b"".join(message_stream(*texts, done=False) if messages else chat_stream(*texts, done=False)))
    else:
        call.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{")
        await call.writer.drain()
    await asyncio.sleep(0.05)
    call.reset()


async def goes_silent(call: Call) -> None:
    if call.streaming:
        texts = [LONG] * 3
        messages = call.path.endswith("/messages")
        await call.open_stream()
        await call.chunk(b"".join(message_stream(*texts, done=False) if messages else chat_stream(*texts, done=False)))
    await call.hang()


OUTCOMES: dict[str, tuple[Callable[[Call], Awaitable[None]], dict[str, str]]] = {
    "ok": (answers, {}),
    "ok, watched": (answers, {"x-watched": "1"}),
    "error": (fails, {}),
    "broken off": (breaks_off, {}),
    "broken off, watched": (breaks_off, {"x-watched": "1"}),
    "client left": (goes_silent, {}),
    "client left, watched": (goes_silent, {"x-watched": "1"}),
    "refused": (answers, {"x-refuse": "1"}),
    "cached": (answers, {"x-cached": "1"}),
}


def settings(folder: Path, url: str, kind: str) -> dict[str, Any]:
    (folder / "keeper.py").write_text(KEEPER)
    return config(
        model(url, kind),
        availablePlugins=[{"path": str(folder / "keeper.py")}],
        plugins=[{"name": "keeper", "type": "keeper"}, {"name": "gate", "type": "gate"}],
        nativePaths=["/v1/moderations"],
        breaker={"enabled": False},
    )


async def leave(client: Client, served: Gateway, calls: list[Call], *, stream: bool) -> None:
    """Waits until the request is under way, and goes."""
    await until(lambda: calls)
    if stream:
        await client.head()
        await client.read_chunk()
    await asyncio.sleep(0.05)
    client.close()


async def outcome(folder: Path, kind: str, name: str, how: str) -> list[Any]:
    script, headers = OUTCOMES[how]
    path, body, _ = ROUTES[name]
    async with upstream(script) as up:
        async with gateway(settings(folder, up.url, kind)) as served:
            client = await served.connect()
            method = "GET" if name == "models" else "POST"
            await client.send(method, path, body or None, headers)
            if how.startswith("client left") and name != "models":
                await leave(client, served, up.calls, stream="stream" in name)
            else:
                await client.reply()
            seen: list[Any] = served.plugin.seen
            await until(lambda: len(seen) >= 2)
            await served.supervisor.drain(2)
            return list(seen)


CASES = [
    (kind, name, how)
    for kind in ("openai", "anthropic")
    for name, (_, _, generates) in ROUTES.items()
    for how in OUTCOMES
    if generates or how in ("ok", "error", "refused", "broken off")
    if kind == "openai" or generates or name in ("models", "count_tokens")
    if not (how.startswith("client left") and name == "models")
]


@pytest.mark.parametrize(("kind", "name", "how"), CASES, ids=[" - ".join(case) for case in CASES])
def test_each_request_is_begun_once_and_ended_once(tmp_path: Path, kind: str, name: str, how: str) -> None:
    seen = run(outcome(tmp_path, kind, name, how))

    assert [entry[0] for entry in seen] == ["before", "after"]
    before, after = seen
    assert before[1] == after[1]
    metrics = after[2]
    assert metrics.ended is not None
    counts = (metrics.input_tokens, metrics.output_tokens)
    words = (metrics.input_precision, metrics.output_precision)
    generates = ROUTES[name][2]
    if how in ("refused", "cached", "error") or name in ("models", "count_tokens"):
        assert counts == (None, None), "nothing was used"
    elif name == "embeddings":
        assert counts[0] == 21 if how == "ok" else counts[0] > 5
        assert words[0] == ("exact" if how == "ok" else "estimated")
    elif generates and how.startswith("ok"):
        assert counts == (11, 7)
        assert words == ("exact", "exact")
    elif generates and name.endswith("stream"):
        # Three sentences came before the end: some sixty tokens, counted by the gateway.
        assert 30 < counts[1] < 150
        assert words[1] == "estimated"
        assert counts[0] is not None
        assert words[0] == ("exact" if kind == "anthropic" else "estimated")
    elif generates:
        assert counts[0] is not None
        assert words == ("estimated", "estimated")


def test_the_counts_of_all_attempts_are_added(tmp_path: Path) -> None:
    async def script(call: Call) -> None:
        if call.body["model"] == "one":
            await call.send(200, {**chat_whole(), "choices": "unreadable"})
        else:
            await answers(call)

    async def main() -> list[Any]:
        async with upstream(script) as up:
            given = settings(tmp_path, up.url, "openai")
            given["models"] = [model(up.url, name="m", model="one"), model(up.url, name="n", model="two")]
            router = {"name": "router", "type": "model-router", "config": {"model": "m", "fallbacks": ["n"]}}
            given["plugins"].append(router)
            async with gateway(given) as served:
                reply = await served.ask(request("messages"), path="/anthropic/v1/messages")
                assert reply.status == 200
                await served.supervisor.drain(2)
                seen: list[Any] = served.plugin.seen
                return seen

    _, after = run(main())
    metrics, attempts = after[2], after[4]
    assert [attempt.usage is not None for attempt in attempts] == [True, True]
    assert metrics.input_tokens == sum(attempt.usage.input_tokens for attempt in attempts)
    assert metrics.output_tokens == sum(attempt.usage.output_tokens for attempt in attempts)


def test_the_end_of_the_gateway_ends_each_request_that_was_begun(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        async with upstream(goes_silent) as up:
            given = {**settings(tmp_path, up.url, "openai"), "server": {"limits": {"drainTimeout": "1s"}}}
            async with gateway(given) as served:
                client = await served.connect()
                await client.send("POST", "/openai/v1/chat/completions", request("chat", stream=True))
                await client.head()
                await client.read_chunk()
                seen: list[Any] = served.plugin.seen
                served.stop()
                await client.closed(10)
            return seen

    seen = run(main())
    assert [entry[0] for entry in seen] == ["before", "after"]
    assert seen[1][3].code == "shutting_down"


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/anthropic/v1/messages"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("watched", [{}, {"x-watched": "1"}], ids=["unwatched", "watched"])
def test_a_provider_that_reports_no_usage_is_counted_by_what_came(
    tmp_path: Path, path: str, stream: bool, watched: dict[str, str]
) -> None:
    async def script(call: Call) -> None:
        if call.streaming:
            await call.stream(b"".join(chat_stream(*[LONG] * 3)))
        else:
            await call.send(200, {key: value for key, value in chat_whole(LONG * 3).items() if key != "usage"})

    async def main() -> list[Any]:
        async with upstream(script) as up, gateway(settings(tmp_path, up.url, "openai")) as served:
            reply = await served.ask(
                request("messages" if "messages" in path else "chat", stream=stream), path=path, headers=watched
            )
            assert reply.status == 200
            seen: list[Any] = served.plugin.seen
            await until(lambda: len(seen) >= 2)
            return list(seen)

    metrics = run(main())[1][2]

    assert 30 < metrics.output_tokens < 150
    assert metrics.input_tokens > 0
    assert (metrics.input_precision, metrics.output_precision) == ("estimated", "estimated")
    assert metrics.usage_estimated
