"""The Responses API by WebSocket: each message `response.create` is one request, each message back one event of its
stream. Pure functions, and what a connection remembers.

A response that is not stored (`store: false`) can be continued by `previous_response_id` all the same, as long as the
connection lasts: it is remembered here, and the request that continues it is made whole. So is one that was only
prepared (`generate: false`). For any other the id goes on, to the provider that stores responses.

Source: OpenAI's reference, "Responses", WebSocket events, and its guide "WebSocket mode".
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from ..errors import DialectError
from ..wire import json

__all__ = ["CREATE", "Create", "Remembered", "error_message", "prepared", "read_create", "with_lane"]

CREATE = "response.create"
_ENVELOPE = ("type", "event_id", "stream_id", "generate", "stream", "stream_options")
"""Fields of a message that are none of a request."""
_ENDS = ("response.completed", "response.incomplete")
_REMEMBERED = 16
_MOST_BYTES = 32 * 1024 * 1024

JSON = dict[str, Any]


@dataclass(slots=True)
class Create:
    """One request. `body` has the fields of `POST /responses`."""

    body: JSON = field(default_factory=dict)
    lane: str | None = None
    """`stream_id`: requests of one lane follow each other, and their events have its name."""
    generates: bool = True
    """False where only the state is prepared, without the model."""


def read_create(data: bytes) -> Create:
    """Raises DialectError for a message of another kind."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise DialectError("a message has to be a JSON object") from None
    if not isinstance(event, dict):
        raise DialectError("a message has to be a JSON object")
    if event.get("type") != CREATE:
        raise DialectError(f"expected `{CREATE}`; no other message is accepted here", path="type")
    lane = event.get("stream_id")
    if lane is not None and not isinstance(lane, str):
        raise DialectError("expected a string", path="stream_id")
    if event.get("background"):
        raise DialectError("a response in the background is asked for by HTTP", path="background")
    body = {key: value for key, value in event.items() if key not in _ENVELOPE}
    options = event.get("stream_options")
    if isinstance(options, dict):
        body["stream_options"] = options
    return Create({**body, "stream": True}, lane, event.get("generate") is not False)


class Remembered:
    """The responses of a connection that no store keeps; the oldest go first."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, tuple[list[Any], int]] = OrderedDict()
        self._bytes = 0

    def complete(self, body: JSON) -> JSON:
        """The request with the conversation that it continues in its input, where that is remembered here."""
        known = self._items.get(str(body.get("previous_response_id")))
        if known is None:
            return body
        whole = {key: value for key, value in body.items() if key != "previous_response_id"}
        whole["input"] = [*known[0], *_items(body.get("input"))]
        return whole

    def take(self, body: JSON, data: bytes) -> None:
        """An event of the reply to the (complete) request `body`: its last one is remembered, if no store keeps it."""
        if body.get("store") is not False or (b".completed" not in data and b".incomplete" not in data):
            return
        try:
            event = json.loads(data)
        except ValueError:
            return
        response = event.get("response") if isinstance(event, dict) and event.get("type") in _ENDS else None
        if isinstance(response, dict) and isinstance(response.get("id"), str):
            output = response.get("output")
            self.keep(response["id"], [*_items(body.get("input")), *filter(_is_separate, _list(output))])

    def keep(self, identity: str, items: list[Any]) -> None:
        size = len(json.dumps(items))
        if size > _MOST_BYTES:
            return
        self._items[identity] = (items, size)
        self._bytes += size
        while len(self._items) > _REMEMBERED or self._bytes > _MOST_BYTES:
            _, (_, gone) = self._items.popitem(last=False)
            self._bytes -= gone

    def prepare(self, body: JSON, identity: str) -> None:
        """What `generate: false` asks for: the input is there for a later request."""
        self.keep(identity, _items(body.get("input")))


def prepared(body: JSON, identity: str, created: int) -> list[bytes]:
    """The events of a response that was only prepared."""
    response = {
        "id": identity, "object": "response", "created_at": created, "status": "in_progress", "error": None,
        "incomplete_details": None, "instructions": body.get("instructions"), "metadata": body.get("metadata") or {},
        "model": body.get("model"), "output": [], "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "temperature": body.get("temperature"), "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [], "top_p": body.get("top_p"), "usage": None,
    }  # fmt: skip
    usage = {
        "input_tokens": 0, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0,
    }  # fmt: skip
    done = {**response, "status": "completed", "usage": usage}
    return [
        json.dumps({"type": "response.created", "sequence_number": 0, "response": response}),
        json.dumps({"type": "response.completed", "sequence_number": 1, "response": done}),
    ]


def error_message(status: int, body: bytes) -> bytes:
    """The event for a reply that is an error: `body` is `{"error": {…}}`, as by HTTP."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        error = {"message": f"The request failed with status {status}.", "type": "server_error", "code": None}
    plain = {key: error.get(key) for key in ("code", "message", "param")}
    return json.dumps({"type": "error", "status": status, **plain, "error": error, "sequence_number": 0})


def with_lane(data: bytes, lane: str | None) -> bytes:
    return data if lane is None else json.replace_top_level(data, {"stream_id": lane})


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    return _list(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_separate(item: Any) -> bool:
    """Reasoning without its encrypted content is a reference to what was not stored."""
    return not isinstance(item, dict) or item.get("type") != "reasoning" or bool(item.get("encrypted_content"))
