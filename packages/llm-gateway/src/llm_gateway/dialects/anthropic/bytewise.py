"""Messages events looked at as bytes: their kind, their usage, the model that they name."""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import (
    EventKind,
    Usage,
)
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import parse_event

from .response import (
    decode_usage,
)

__all__ = ["event_kind", "rename_reply", "usage_of"]


def rename_reply(data: bytes, model: str) -> bytes:
    """A whole reply, or the first events of a stream, which name the model in `message_start` alone."""
    if not json.is_object(data):
        place = data.find(b"message_start")
        match = _MODEL.search(data, place) if place >= 0 else None
        return data[: match.start(1)] + json.dumps(model) + data[match.end(1) :] if match is not None else data
    return json.replace_top_level(data, {"model": model})


_MODEL = re.compile(rb'"model"\s*:\s*("(?:[^"\\\n]|\\.)*")')


def event_kind(event: bytes) -> EventKind:
    """What one whole event is, by its name or, where it has none, by its first `type`."""
    name = event[6 : event.find(b"\n")].strip() if event.startswith(b"event:") else b""
    if name not in _EVENT_KINDS:
        match = _TYPE.search(event)
        name = match[1] if match else b""
    kind = _EVENT_KINDS.get(name, "other")
    if kind == "content" and name == b"content_block_start":
        # The start of a text has no content, as a rule; a tool's has the name.
        return "preamble" if _EMPTY_START.search(event) else "content"
    return kind


def usage_of(head: bytes, tail: bytes) -> Usage | None:
    """Usage from the events of a stream's beginning and end, or from a whole reply given as `tail`."""
    if not head and tail.lstrip()[:1] == b"{":
        # It is near the end, as a rule, and what comes before needs no reading.
        body = json.members_from(tail, "usage") or _pick(tail)
        usage = body.get("usage") if body is not None else None
        return decode_usage(usage) if isinstance(usage, dict) else None
    found: dict[str, Any] = {}
    for data, marker in ((head, b"message_start"), (tail, b"message_delta")):
        if marker not in data:
            continue
        for raw in data.replace(b"\r\n", b"\n").split(b"\n\n"):
            if marker in raw and b'"usage"' in raw:
                _collect_usage(raw, found)
    return decode_usage(found) if found else None


_pick = json.picker("usage")


def _collect_usage(raw: bytes, found: dict[str, Any]) -> None:
    event = parse_event(raw.strip(b"\n"))
    if event is None:
        return
    try:
        body = json.loads(event.data)
    except ValueError:
        return
    if not isinstance(body, dict) or body.get("type") not in ("message_start", "message_delta"):
        return
    message = body.get("message")
    usage = message.get("usage") if isinstance(message, dict) else body.get("usage")
    if isinstance(usage, dict):
        for key, value in usage.items():
            if value is not None and not (value == 0 and found.get(key)):
                found[key] = value


_TYPE = re.compile(rb'"type"\s*:\s*"([a-z_]+)"')
_EMPTY_START = re.compile(rb'"(?:text|thinking)"\s*:\s*""')
_EVENT_KINDS: dict[bytes, EventKind] = {
    b"message_start": "preamble",
    b"content_block_start": "content",
    b"content_block_delta": "content",
    b"content_block_stop": "content",
    b"message_delta": "usage",
    b"message_stop": "terminal",
    b"error": "error",
    b"ping": "other",
}
