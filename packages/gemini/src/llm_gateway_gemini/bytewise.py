"""Events looked at as bytes: their kind and their usage."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    EventKind,
    Usage,
    merge_usage,
)
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import EventSplitter, parse_event

from .arrays import ArraySplitter
from .charges import add_grounding
from .response import decode_usage

__all__ = ["event_kind", "usage_of"]


def event_kind(event: bytes) -> EventKind:
    if b'"error"' in event and b'"candidates"' not in event:  # in an answer it is a word of the answer's
        return "error"
    if b'"finishReason"' in event or b'"blockReason"' in event:
        return "terminal"
    if b'"parts"' in event:
        return "content"
    return "usage" if b'"usageMetadata"' in event else "other"


def usage_of(head: bytes, tail: bytes) -> Usage | None:
    """The tail is the end of a stream, in either form, or a whole body."""
    usage: Usage | None = None
    for text in (head, tail):
        for body in _bodies(text):
            candidates = body.get("candidates")
            listed = candidates if isinstance(candidates, list) else []
            reasons = [item.get("finishReason") for item in listed if isinstance(item, dict)]
            counted = decode_usage(body.get("usageMetadata"), final=any(reasons))
            usage = merge_usage(usage, add_grounding(counted, body))
    return usage


def _bodies(text: bytes) -> list[dict[str, Any]]:
    bodies = []
    for item in _objects(text):
        try:
            body = json.loads(item)
        except ValueError:
            continue  # the first event of a tail may be cut
        if isinstance(body, dict):
            bodies.append(body)
    return bodies


def _objects(text: bytes) -> list[bytes]:
    if text.lstrip()[:1] in (b"{", b"["):
        return ArraySplitter().feed(text)
    splitter = EventSplitter()
    events = [*splitter.feed(text), *splitter.close()]
    return [event.data for raw in events if (event := parse_event(raw)) is not None]
