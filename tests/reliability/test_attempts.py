"""Nothing of an attempt that failed reaches the reply of a later one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    chat_event,
    chat_stream,
    config,
    gateway,
    message_stream,
    model,
    request,
    run,
    upstream,
)

ROUTER: dict[str, Any] = {"name": "router", "type": "model-router", "config": {"model": "m", "fallbacks": ["n"]}}
FAILED = chat_event({"error": {"message": "no", "type": "server_error", "code": None}})
OF_THE_FIRST = {"x-ratelimit-remaining-requests": "77", "openai-processing-ms": "5", "x-first": "1"}


@pytest.mark.parametrize("second", ["openai", "anthropic"])
def test_a_keep_alive_opens_the_stream_without_headers_of_an_attempt_that_failed(second: str) -> None:
    """The first provider answers 200 and fails in its stream; the second thinks for longer than the keep-alive."""

    async def script(call: Call) -> None:
        if call.body["model"] == "one":
            await call.open_stream(OF_THE_FIRST)
            await call.chunk(FAILED)
            await call.end_stream()
        else:
            await asyncio.sleep(0.6)
            events = message_stream("hi") if call.path.endswith("/messages") else chat_stream("hi")
            await call.stream(b"".join(events))

    async def main() -> None:
        async with upstream(script) as up:
            models = [model(up.url, name="m", model="one"), model(up.url, second, "n", model="two")]
            limits = {"limits": {"keepAlive": "200ms"}}
            async with gateway(config(*models, plugins=[ROUTER], server=limits)) as served:
                reply = await served.ask(request("chat", stream=True))
                assert reply.status == 200
                assert b"keep-alive" in reply.body
                assert b"hi" in reply.body
                assert [name for name in OF_THE_FIRST if reply.header(name) is not None] == []

    run(main())


@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_a_reply_has_the_losses_and_names_of_the_attempt_that_made_it(dialect: str) -> None:
    async def script(call: Call) -> None:
        if call.body["model"] == "one":
            await call.send(500, {"error": {"message": "no"}}, OF_THE_FIRST)
        else:
            events = message_stream("hi") if call.path.endswith("/messages") else chat_stream("hi")
            await call.stream(b"".join(events))

    async def main() -> None:
        async with upstream(script) as up:
            kinds = ("anthropic", "openai") if dialect == "chat" else ("openai", "anthropic")
            models = [model(up.url, kinds[0], "m", model="one"), model(up.url, kinds[1], "n", model="two")]
            async with gateway(config(*models, plugins=[ROUTER])) as served:
                lossy = {"logit_bias": {"5": 1}, "seed": 5} if dialect == "chat" else {"top_k": 5}
                reply = await served.ask(request(dialect, stream=True, **lossy), path=ROUTES[dialect])
                assert reply.status == 200
                assert reply.header("x-llm-gateway-losses") is None
                assert reply.header("x-first") is None

    run(main())
