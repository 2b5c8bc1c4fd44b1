"""Errors in the shape of Cohere's API: one message."""

from __future__ import annotations

from llm_gateway_sdk import ErrorInfo, Headers, WireReply
from llm_gateway_sdk.wire import json

__all__ = ["encode_error"]


def encode_error(error: ErrorInfo) -> WireReply:
    body: dict[str, str] = {"message": error.message}
    if error.request_id:
        body["id"] = error.request_id
    headers = Headers.of([("content-type", "application/json")])
    # Cohere's own status for an account at its limit: a 429 is tried again by its SDK.
    status = 402 if error.kind == "quota" else error.status
    return WireReply(status, headers, json.dumps(body))
