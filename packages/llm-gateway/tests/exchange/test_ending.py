"""Why a request was cancelled."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest

from llm_gateway.exchange.ending import EndReason, end_reason, error_of
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Plugin, PluginResult, RequestContext, plugin_metadata


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), EndReason.CLIENT_LEFT),
        (("a text",), EndReason.CLIENT_LEFT),
        ((EndReason.CLIENT_LEFT,), EndReason.CLIENT_LEFT),
        ((EndReason.SHUTDOWN,), EndReason.SHUTDOWN),
    ],
    ids=["none", "text", "left", "shutdown"],
)
def test_a_cancellation_carries_its_reason_to_the_task(arguments: tuple[object, ...], reason: EndReason) -> None:
    async def run() -> EndReason:
        async def work() -> EndReason:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError as error:
                return end_reason(error)
            raise AssertionError

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel(*arguments)
        return await task

    assert asyncio.run(run()) is reason


def test_a_client_may_ask_again_after_a_shutdown_and_learns_when() -> None:
    error = error_of(EndReason.SHUTDOWN)

    assert (error.status, error.info().code, error.retry_after) == (503, "shutting_down", 1.0)


def test_a_client_that_left_is_recorded_apart_from_failures() -> None:
    info = error_of(EndReason.CLIENT_LEFT).info()

    assert (info.status, info.code, info.kind) == (499, "client_disconnected", "client_disconnected")


CONFIGURATION = """
models:
  - {name: echo, provider: {type: echo}}
  - name: away
    provider:
      {type: openai, config: {baseUrl: "http://127.0.0.1:1", apiKey: k, model: m, retryAttempts: 2, retryDelay: 1}}
  - name: translated
    provider:
      {type: gemini, config: {baseUrl: "http://127.0.0.1:1", apiKey: k, model: m, retryAttempts: 1}}
plugins: [{name: odd, type: odd}]
"""


@plugin_metadata(name="odd", version="1.0.0", description="Fails as its caller asks", configuration_schema={})
class Odd(Plugin):
    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        words = str(ctx.request.messages)
        if "raise" in words:
            raise RuntimeError("as asked")
        if "miss" in words:
            ctx.nothing  # type: ignore[attr-defined] # noqa: B018
        return PluginResult(success=False, status=403) if "refuse" in words else None

    def after_model(self, ctx: RequestContext) -> None:
        if "late" in str(ctx.request.messages):
            raise RuntimeError("as asked")


@pytest.fixture(scope="module")
def client() -> Iterator[GatewayClient]:
    with GatewayClient(CONFIGURATION, extensions=[Odd]) as made:
        yield made


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"properties": {"a": value}}
    return value


def chat(model: str, text: str = "hello", **fields: Any) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **fields}).encode()


def tool(parameters: Any) -> list[Any]:
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, chat("echo"), id="answered"),
        pytest.param(404, chat("unknown"), id="unknown model"),
        pytest.param(502, chat("away"), id="provider away"),
        pytest.param(502, chat("away", stream=True), id="provider away, streamed"),
        pytest.param(502, chat("translated"), id="other provider away"),
        pytest.param(403, chat("echo", "refuse"), id="refused"),
        pytest.param(500, chat("echo", "raise"), id="plugin raises"),
        pytest.param(500, chat("echo", "late"), id="plugin raises after the model"),
        pytest.param(500, chat("echo", "miss"), id="plugin looks for what is not there"),
        pytest.param(400, b'{"model": "echo", "messages": ', id="cut"),
        pytest.param(400, b'{"model": "echo", "messages": 1}', id="not messages"),
        pytest.param(400, chat("translated", tools=tool(nested(400))), id="nested too deeply"),
    ],
)
def test_a_request_that_has_ended_leaves_nothing_to_the_garbage_collector(
    client: GatewayClient, status: int, body: bytes
) -> None:
    def ask() -> int:
        return client.request("POST", "/openai/v1/chat/completions", body=body).status

    assert ask() == status
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            ask()

        assert gc.collect() == 0
    finally:
        gc.enable()
