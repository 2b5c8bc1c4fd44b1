"""Four independent time limits, per provider and shortened by request headers, each with its own error code."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    Reply,
    answer,
    chat_stream,
    config,
    error_shape,
    gateway,
    message_stream,
    model,
    request,
    run,
    upstream,
)


async def hang(call: Call) -> None:
    await call.hang()


async def preamble_then_hang(call: Call) -> None:
    await call.open_stream()
    events = message_stream("a") if call.path.endswith("/messages") else chat_stream("a")
    await call.chunk(events[0])
    await call.hang()


async def content_then_hang(call: Call) -> None:
    await call.open_stream()
    events = message_stream("a", done=False) if call.path.endswith("/messages") else chat_stream("a", done=False)
    await call.chunk(b"".join(events))
    await call.hang()


async def drip(call: Call) -> None:
    """Never silent for long, never done."""
    await call.open_stream()
    events = message_stream(*"ab") if call.path.endswith("/messages") else chat_stream(*"ab")
    await call.chunk(b"".join(events[:2]))
    while not call.gone.is_set():
        await call.chunk(events[2])
        await asyncio.sleep(0.02)


CASES: dict[str, tuple[Any, bool, dict[str, Any], str]] = {
    "total, whole reply": (hang, False, {"timeout": "150ms"}, "total_timeout"),
    "total, stream": (drip, True, {"timeout": "150ms"}, "total_timeout"),
    "first token, no head": (hang, True, {"firstTokenTimeout": "150ms"}, "first_token_timeout"),
    "first token, preamble alone": (preamble_then_hang, True, {"firstTokenTimeout": "150ms"}, "first_token_timeout"),
    "idle": (content_then_hang, True, {"streamIdleTimeout": "150ms"}, "idle_timeout"),
}
HEADERS = {
    "timeout": "x-llm-gateway-timeout",
    "firstTokenTimeout": "x-llm-gateway-first-token-timeout",
    "streamIdleTimeout": "x-llm-gateway-stream-idle-timeout",
}
PAIRS = [("chat", "openai"), ("messages", "anthropic"), ("responses", "openai"), ("chat", "anthropic")]


@pytest.mark.parametrize("by_header", [False, True], ids=["by provider", "by header"])
def test_each_limit_ends_a_hanging_call_with_its_own_code_and_frees_the_upstream(by_header: bool) -> None:
    async def main() -> None:
        for script, stream, limits, code in CASES.values():
            async with upstream(script) as up:
                given = {} if by_header else limits
                models = [model(up.url, kind, name=kind, **given) for kind in ("openai", "anthropic")]
                async with gateway(config(*models)) as served:
                    headers = {HEADERS[name]: value for name, value in limits.items()} if by_header else {}

                    async def ask(dialect: str, kind: str) -> Reply:
                        body = request(dialect, stream=stream) | {"model": kind}  # noqa: B023
                        return await served.ask(body, path=ROUTES[dialect], headers=headers)  # noqa: B023

                    started = time.monotonic()
                    replies = await asyncio.gather(*(ask(*pair) for pair in PAIRS))
                    assert time.monotonic() - started < 1.5
                    for (dialect, kind), reply in zip(PAIRS, replies, strict=True):
                        assert reply.whole
                        where = f"{code} {dialect} {kind}"
                        if reply.status == 200:
                            assert code in ("idle_timeout", "total_timeout"), where
                            assert b"(%s)" % code.removesuffix("_timeout").encode() in reply.body, where
                        else:
                            assert reply.status == 504, where
                            error = error_shape(dialect, reply.body)
                            if dialect != "messages":
                                assert error["code"] == code
                            assert reply.header("x-llm-gateway-error-source") == "upstream"
                    async with asyncio.timeout(1):
                        for call in up.calls:
                            await call.gone.wait()

    run(main())


def test_connecting_has_a_separate_limit() -> None:
    async def main() -> None:
        # A listener whose queue is full answers no SYN.
        import socket

        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            try:
                away = model(f"http://127.0.0.1:{port}", connectTimeout="200ms")
                async with gateway(config(away)) as served:
                    started = time.monotonic()
                    reply = await served.ask(request("chat"))
                    assert time.monotonic() - started < 1.5
                    assert (reply.status, reply.json["error"]["code"]) == (504, "connect_timeout")
            finally:
                for filler in fillers:
                    filler.close()

    run(main())


def test_a_header_never_lengthens_a_limit() -> None:
    async def main() -> None:
        async with upstream(hang) as up, gateway(config(model(up.url, timeout="150ms"))) as served:
            started = time.monotonic()
            reply = await served.ask(request("chat"), headers={"x-llm-gateway-timeout": "1h"})
            assert reply.status == 504
            assert time.monotonic() - started < 5

    run(main())


def test_a_limit_that_is_not_a_duration_is_the_clients_mistake() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            for value in ("soon", "-5", "1e999", "9" * 400, "NaN", "5 parsecs", "²"):
                for name in HEADERS.values():
                    reply = await served.ask(request("chat"), headers={name: value})
                    assert reply.status in (200, 400)
                    if reply.status == 400:
                        assert name in error_shape("chat", reply.body)["message"]
                    else:
                        assert value.isdigit()

    run(main())


def test_the_clients_limit_spans_tries_and_fallbacks() -> None:
    async def main() -> None:
        async with upstream(hang) as up:
            models = [model(up.url, name=name, retryAttempts=5, retryDelay="10ms") for name in ("m", "n")]
            router = {"name": "r", "type": "model-router", "config": {"model": "m", "fallbacks": ["n"]}}
            async with gateway(config(*models, plugins=[router])) as served:
                started = time.monotonic()
                reply = await served.ask(request("chat"), headers={"x-llm-gateway-timeout": "300ms"})
                assert reply.status == 504
                assert time.monotonic() - started < 5

    run(main())


def test_a_provider_without_http_ends_in_time_too() -> None:
    async def main() -> None:
        slow = {"name": "m", "isDefault": True, "provider": {"type": "echo", "config": {"delay": "300ms"}}}
        async with gateway(config(slow)) as served:
            body = request("chat", stream=True, text="one two three four five six seven eight nine ten")
            started = time.monotonic()
            reply = await served.ask(body, headers={"x-llm-gateway-timeout": "400ms"})
            assert time.monotonic() - started < 2.0
            assert b'"error"' in reply.body
            assert reply.whole

    run(main())


def test_limits_that_callers_set_never_open_the_breaker() -> None:
    async def main() -> None:
        async with upstream(hang) as up, gateway(config(model(up.url), breaker={"failures": 2})) as served:
            for _ in range(4):
                await served.ask(request("chat"), headers={"x-llm-gateway-timeout": "30ms"})
            assert served.targets()["m"].breaker.state == "closed"

    run(main())


@pytest.mark.parametrize("dialect", ROUTES)
def test_silence_is_filled_with_keep_alives_from_the_requests_start(dialect: str) -> None:
    async def main() -> None:
        async def think(call: Call) -> None:
            await asyncio.sleep(0.35)
            await answer(call)

        limits = {"limits": {"keepAlive": "100ms"}}
        for kind in ("openai", "anthropic"):
            async with upstream(think) as up, gateway(config(model(up.url, kind), server=limits)) as served:
                client = await served.connect()
                await client.send("POST", ROUTES[dialect], request(dialect, stream=True))
                started = time.monotonic()
                status, headers = await client.head()
                first = await client.read_chunk()

                assert time.monotonic() - started < 2
                assert status == 200
                assert dict(headers)["x-accel-buffering"] == "no"
                assert "content-encoding" not in dict(headers)
                alive = {"chat": b": ", "responses": b": ", "messages": b"event: ping\n"}[dialect]
                assert first.startswith(alive) or b"keepalive" in first
                body = first
                while piece := await client.read_chunk():
                    body += piece
                assert body.count(first) >= 3
                assert {"chat": b"[DONE]", "responses": b"response.completed", "messages": b"message_stop"}[
                    dialect
                ] in body
                client.close()

    run(main())


def test_an_error_after_a_keep_alive_is_reported_inside_the_stream() -> None:
    async def main() -> None:
        async def think_then_fail(call: Call) -> None:
            await asyncio.sleep(0.25)
            await call.send(400, {"error": {"message": "no", "type": "invalid_request_error", "code": None}})

        limits = {"limits": {"keepAlive": "100ms"}}
        async with upstream(think_then_fail) as up, gateway(config(model(up.url), server=limits)) as served:
            for dialect, path in ROUTES.items():
                reply = await served.ask(request(dialect, stream=True), path=path)
                assert (reply.status, reply.whole) == (200, True)
                assert b'"no"' in reply.body
                assert b"[DONE]" not in reply.body

    run(main())
