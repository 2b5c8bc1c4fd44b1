"""InvokeModel for Claude: Anthropic's Messages API as Bedrock carries it, in both directions.

A request is Anthropic's own, with the model in the address, the API's version and the betas in the body. A whole reply
is Anthropic's own; a stream comes as AWS event stream, each of whose chunks holds one of Anthropic's events in base64;
an error is the service's. What comes back is put into the form that the dialect reads, so that a client of Messages
gets all of the reply, and no part of it through another API.

Sources: Bedrock user guide, "Anthropic Claude Messages API"; API reference, InvokeModel, InvokeModelWithResponseStream
and CountTokens.
"""

from __future__ import annotations

import base64
from typing import Any

from llm_gateway_sdk import Headers, HTTPReply, ModelProtocolError, WireReply, WireRequest
from llm_gateway_sdk.errors import ErrorClass
from llm_gateway_sdk.wire import json

from .carried_reply import CarriedReply, exception_of
from .errors import decode_error
from .eventstream import EventStreamMessage
from .paths import COUNT_TOKENS, INVOKE, INVOKE_STREAM, build_path

__all__ = ["COUNT", "MESSAGES", "AnthropicReply", "event_of", "to_invoke_model"]

ANTHROPIC_VERSION = "bedrock-2023-05-31"
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
_MAX_COUNT_BYTES = 64 * 1024


def to_invoke_model(wire: WireRequest) -> None:
    """Changes a request to `/v1/messages` or `/v1/messages/count_tokens` into one of Bedrock's. Raises ValueError where
    the body is not a JSON object."""
    model, streams = json.peek(wire.body)
    counts = wire.path == COUNT
    changes: dict[str, Any] = {"model": None, "stream": None, "anthropic_version": ANTHROPIC_VERSION}
    betas = [beta.strip() for beta in (wire.headers.get("anthropic-beta") or "").split(",") if beta.strip()]
    if betas:
        changes["anthropic_beta"] = betas
    if counts:
        changes["max_tokens"] = 1  # the model's own API asks for it, and nothing is generated
    body = json.replace_top_level(wire.body, changes)
    for name in ("anthropic-beta", "anthropic-version"):
        wire.headers.remove(name)
    wire.headers.set("content-type", "application/json")
    operation = INVOKE_STREAM if streams else INVOKE
    if counts:
        operation = COUNT_TOKENS
        body = json.dumps({"input": {"invokeModel": {"body": base64.b64encode(body).decode()}}})
    wire.path, wire.query, wire.body = build_path(model or "", operation), "", body


class AnthropicReply(CarriedReply):
    """A reply of InvokeModel in the form of Anthropic's API."""

    def __init__(self, inner: HTTPReply) -> None:
        super().__init__(inner)
        self._counts = self.kind.startswith("application/json") and not self.is_stream
        if self._counts:
            self.headers = [item for item in inner.headers if item[0] != "content-length"]
        self._whole: bytes | None = None

    def part_of(self, message: EventStreamMessage) -> bytes:
        return event_of(message)

    async def receive_whole(self) -> bytes:
        """All at once: what it counts is known from the whole body."""
        if self._whole is not None:
            return b""
        self._whole = await self.read()
        return self._whole

    def whole_of(self, body: bytes) -> bytes:
        if self.status >= 400:
            return _error_body(WireReply(self.status, Headers.of(self._inner.headers), body))
        return _count_of(body) if self._counts and len(body) < _MAX_COUNT_BYTES else body


def event_of(message: EventStreamMessage) -> bytes:
    """One message as an event of Anthropic's stream; nothing for messages without meaning."""
    if (name := exception_of(message)) is not None:
        # Within a stream names begin with a small letter.
        headers = Headers.of([("x-amzn-errortype", name[:1].upper() + name[1:])])
        body = message.payload or json.dumps({"message": str(message.headers.get(":error-message") or name)})
        return b"event: error\ndata: " + _error_body(WireReply(0, headers, body)) + b"\n\n"
    if message.headers.get(":event-type") != "chunk":
        return b""
    try:
        data = base64.b64decode(json.loads(message.payload)["bytes"])
        event = json.loads(data)
        name = event["type"]
    except (ValueError, KeyError, TypeError):
        raise ModelProtocolError("The provider's stream can't be read: a chunk does not hold an event.") from None
    if b"\n" in data or b"\r" in data:
        data = json.dumps(event)
    return b"event: " + str(name).encode(errors="replace") + b"\ndata: " + data + b"\n\n"


def _error_body(wire: WireReply) -> bytes:
    info = decode_error(wire)
    return json.dumps({"type": "error", "error": {"type": _TYPES.get(info.kind, "api_error"), "message": info.message}})


def _count_of(body: bytes) -> bytes:
    """CountTokens' reply in the words of Anthropic's API; any other reply as it is."""
    if b'"inputTokens"' not in body:
        return body
    try:
        value = json.loads(body)
    except ValueError:
        return body
    return json.dumps({"input_tokens": value["inputTokens"]}) if value.keys() == {"inputTokens"} else body


_TYPES: dict[ErrorClass, str] = {
    "bad_request": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_policy": "invalid_request_error",
    "too_large": "request_too_large",
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
}
