"""What the log knows of the running request is each task's own."""

from __future__ import annotations

import asyncio

from llm_gateway.exchange.log_context import current_request_id, words_are_hidden
from llm_gateway.testing import GatewayClient


def test_outside_of_requests_there_is_none() -> None:
    assert current_request_id.get() is None


def test_requests_at_the_same_time_have_their_ids() -> None:
    async def request(name: str) -> str | None:
        current_request_id.set(name)
        await asyncio.sleep(0)
        return current_request_id.get()

    async def both() -> list[str | None]:
        return list(await asyncio.gather(request("one"), request("two")))

    assert asyncio.run(both()) == ["one", "two"]
    assert current_request_id.get() is None


def test_a_request_through_the_gateway_leaves_none_to_its_caller() -> None:
    with GatewayClient("models: [{name: m, isDefault: true, provider: {type: echo}}]") as client:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}
        assert client.post("/openai/v1/chat/completions", json=body).status == 200

    assert current_request_id.get() is None
    assert words_are_hidden.get() is False
