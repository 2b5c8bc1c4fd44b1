"""What raw bytes say, for streams that are passed through: the kind of an event, and the usage at the end."""

from __future__ import annotations

import re

from llm_gateway_sdk.dialect import EventKind
from llm_gateway_sdk.response import Usage
from llm_gateway_sdk.wire import json

from .charges import add_charges_from
from .response import decode_usage

__all__ = ["event_kind", "usage_of"]


def event_kind(event: bytes) -> EventKind:
    match = _TYPE.search(event)
    if match is None:
        return "error" if _ERROR_OBJECT.search(event) else "other"
    kind = match[1] or match[2]
    known = _KINDS.get(kind)
    if known is not None:
        return known
    if kind == b"response.output_item.added":
        # What only announces a message or reasoning has no content yet.
        return "preamble" if _ANNOUNCED.search(event) else "content"
    return "content" if kind.startswith(b"response.") else "other"


def usage_of(head: bytes, tail: bytes) -> Usage | None:
    """The last `usage` object in `tail`, be it a whole body or the end of a stream cut anywhere.

    Inside of a JSON text a quote is escaped, so that the bytes searched for are a key indeed; a tool's schema may have
    such a key too, and is passed over.
    """
    end = len(tail)
    while (start := tail.rfind(b'"usage"', 0, end)) >= 0:
        end = start
        match = _OBJECT.match(tail, start + 7)
        if match is None:
            continue
        value = _object_at(tail, match.end() - 1)
        if isinstance(value, dict) and ("input_tokens" in value or "output_tokens" in value):
            return add_charges_from(decode_usage(value), tail)
    return None


def _object_at(data: bytes, start: int) -> object:
    """The object that begins at `start`; usage holds no braces in strings."""
    depth = 0
    for match in _BRACE.finditer(data, start, start + 4096):
        depth += 1 if match[0] == b"{" else -1
        if depth == 0:
            try:
                return json.loads(data[start : match.end()])
            except ValueError:
                return None
    return None


# The name, where the stream names its events so; else the type in the data.
_TYPE = re.compile(
    rb'^event: ?(response\.[\w.]+|error|keepalive)\s*$|"type" ?: ?"(response\.[\w.]+|error)"', re.MULTILINE
)
_ERROR_OBJECT = re.compile(rb'^data: ?\{\s*"error"\s*:\s*\{', re.MULTILINE)
_ANNOUNCED = re.compile(rb'"type" ?: ?"(?:message|reasoning)"')
_OBJECT = re.compile(rb"\s*:\s*\{")
_BRACE = re.compile(rb"[{}]")
_KINDS: dict[bytes, EventKind] = {
    b"response.created": "preamble",
    b"response.queued": "preamble",
    b"response.in_progress": "preamble",
    b"response.content_part.added": "preamble",
    b"response.reasoning_summary_part.added": "preamble",
    b"response.completed": "terminal",
    b"response.incomplete": "terminal",
    b"response.failed": "error",
    b"error": "error",
    b"keepalive": "other",
}
