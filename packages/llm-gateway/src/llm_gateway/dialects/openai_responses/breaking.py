"""How a forwarded stream ends that broke off: `response.failed`, numbered after what the client has."""

from __future__ import annotations

import re

from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import encode_event, parse_event

from .errors import encode_response_error

__all__ = ["break_off"]

_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d+)')


def break_off(error: ErrorInfo, head: bytes, tail: bytes) -> bytes | None:
    """None where `head` is not a `response.created` to take the response from."""
    first = parse_event(head.replace(b"\r\n", b"\n").strip(b"\n"))
    numbers = _NUMBER.findall(tail) or _NUMBER.findall(head)
    try:
        created = json.loads(first.data) if first is not None else None
    except ValueError:
        return None
    response = created.get("response") if isinstance(created, dict) else None
    if not isinstance(response, dict):
        return None
    number = int(numbers[-1]) + 1 if numbers else 0
    failed = {**response, "status": "failed", "error": encode_response_error(error)}
    data = json.dumps({"type": "response.failed", "sequence_number": number, "response": failed})
    return encode_event(data, "response.failed")
