"""A WebSocket that another server has taken: its handshake and its end. Whole sessions run under uvicorn in
tests/endpoints/test_realtime.py and test_response_messages.py."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from llm_gateway.loading import load_text
from llm_gateway.server.asgi import ASGIForm
from llm_gateway.server.asgi_session import ASGISession
from llm_gateway.server.assembly import assemble

ECHO = "models: [{name: m, isDefault: true, provider: {type: echo}}]\nlogging: {level: error}\n"


def scope(path: str, *, answers: bool = True) -> dict[str, Any]:
    extensions = {"websocket.http.response": {}} if answers else {}
    return {
        "type": "websocket", "path": path, "query_string": b"", "headers": [(b"host", b"localhost")],
        "extensions": extensions, "subprotocols": [], "client": ("192.0.2.1", 1),
    }  # fmt: skip


def run(path: str, *messages: dict[str, Any], answers: bool = True) -> list[dict[str, Any]]:
    """What the form sends where the client sends these, and leaves when it is answered."""
    found: list[dict[str, Any]] = []
    coming = [{"type": "websocket.connect"}, *messages]
    answered = asyncio.Event()

    async def receive() -> Any:
        if coming:
            return coming.pop(0)
        await answered.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        found.append(message)
        if "response.completed" in message.get("text", ""):
            answered.set()

    async def main() -> None:
        app, control, _ = await assemble(load_text(ECHO))
        await ASGIForm(app)(scope(path, answers=answers), receive, send)
        await control.shutdown()

    asyncio.run(main())
    return found


def test_a_refusal_is_a_reply_where_the_server_can_send_one() -> None:
    start, body = run("/openai/v1/nothing-here")

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert json.loads(body["body"])["error"]["message"]


def test_where_it_can_not_the_handshake_is_closed() -> None:
    assert [each["type"] for each in run("/openai/v1/nothing-here", answers=False)] == ["websocket.close"]


def test_a_message_is_answered_and_a_close_ends_it() -> None:
    create = {"type": "response.create", "model": "m", "input": "hello", "store": False}
    leave = {"type": "websocket.disconnect", "code": 1000}

    found = run("/openai/v1/responses", {"type": "websocket.receive", "text": json.dumps(create)})
    assert found[0]["type"] == "websocket.accept"
    events = [json.loads(each["text"])["type"] for each in found if each["type"] == "websocket.send"]
    assert (events[0], events[-1]) == ("response.created", "response.completed")
    left = run("/openai/v1/responses", leave)
    assert [each["type"] for each in left] == ["websocket.accept"]


@pytest.mark.parametrize("code", [1000, 1005, 1006, 4001])
def test_a_server_that_fails_to_send_is_a_client_that_has_left(code: int) -> None:
    coming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": code}]

    async def receive() -> Any:
        await asyncio.sleep(0)
        return coming.pop(0)

    async def send(message: Any) -> None:
        raise RuntimeError("the connection is closed")

    async def main() -> None:
        app, control, _ = await assemble(load_text(ECHO))
        await ASGISession(scope("/openai/v1/responses"), receive, send).serve(app)
        assert app.generation.exchanges == 0
        await control.shutdown()

    asyncio.run(main())
