"""Ollama's errors: a status and `{"error": "…"}`."""

from __future__ import annotations

import re

from llm_gateway_sdk import DialectError, ErrorInfo, Headers, WireReply
from llm_gateway_sdk.dialects.fields import read_object
from llm_gateway_sdk.errors import kind_of_status
from llm_gateway_sdk.waiting import retry_after
from llm_gateway_sdk.wire import json

__all__ = ["decode_error", "encode_error"]

_CONTEXT = re.compile(r"exceeds? the context length|context (?:length|window) exceeded|prompt is too long", re.I)


def decode_error(wire: WireReply) -> ErrorInfo:
    try:
        found = read_object(wire.body).get("error")
    except DialectError:
        found = wire.body.decode("utf-8", "replace").strip()[:1000]
    if isinstance(found, dict):  # a server of OpenAI's API in its place
        found = found.get("message")
    message = found if isinstance(found, str) and found and not found.startswith("<") else ""
    kind = kind_of_status(wire.status)
    if kind == "bad_request" and _CONTEXT.search(message):
        kind = "context_length"
    return ErrorInfo(
        message or f"The server answered with status {wire.status}.",
        wire.status,
        kind,
        retry_after=retry_after(wire.headers),
    )


def encode_error(error: ErrorInfo) -> WireReply:
    headers = [("content-type", "application/json; charset=utf-8")]
    if error.retry_after is not None:
        headers.append(("retry-after", f"{error.retry_after:g}"))
    return WireReply(error.status, Headers.of(headers), json.dumps({"error": error.message}))
