"""What a reply is charged for beyond its tokens' usual price: its service tier and calls of the vendor's own tools."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from llm_gateway_sdk.response import Usage
from llm_gateway_sdk.wire import json

__all__ = ["add_charges", "add_charges_from"]

_CALLS = {"web_search_call": "web_search", "file_search_call": "file_search"}
"""Types of items in `output`, and the kind of price of each."""


def add_charges(usage: Usage | None, body: dict[str, Any]) -> Usage | None:
    """Adds to `usage` what the Response object `body` also reports."""
    if usage is None:
        return None
    if isinstance(tier := body.get("service_tier"), str):
        usage.service_tier = tier
    output = body.get("output")
    calls: Counter[str] = Counter()
    for item in output if isinstance(output, list) else ():
        type_ = item.get("type") if isinstance(item, dict) else None
        kind = _CALLS.get(type_) if isinstance(type_, str) else None
        action = item.get("action") if kind == "web_search" else None
        # Opening a page that was found costs no call.
        if kind is not None and (not isinstance(action, dict) or action.get("type", "search") == "search"):
            calls[kind] += 1
    counted = body.get("tool_usage")
    searches = counted.get("web_search") if isinstance(counted, dict) else None
    if isinstance(searches, dict) and isinstance(number := searches.get("num_requests"), int):
        calls["web_search"] = number  # the vendor's own count of what it charges
    usage.tool_calls = {kind: number for kind, number in calls.items() if number} or None
    return usage


def add_charges_from(usage: Usage | None, tail: bytes) -> Usage | None:
    """The same, from the bytes of a whole body or of the end of a stream: nothing is read where nothing is charged."""
    if usage is None or _CHARGED.search(tail) is None:
        return usage
    if tail.lstrip()[:1] == b"{":
        body: Any = _pick(tail)
    else:
        start = tail.rfind(b"data:", 0, tail.rfind(b'"usage"'))
        line = tail[start + 5 :].split(b"\n", 1)[0] if start >= 0 else b""
        event = _pick_event(line)
        body = event.get("response") if event is not None else None
    return add_charges(usage, body) if isinstance(body, dict) else usage


_CHARGED = re.compile(rb'"(?:web|file)_search_call"|"num_requests"|"service_tier"\s*:\s*"(?!default|auto)')
"""Inside of a JSON text a quote is escaped, so that these are keys and values indeed."""
_pick = json.picker("service_tier", "output", "tool_usage")
_pick_event = json.picker("response")
