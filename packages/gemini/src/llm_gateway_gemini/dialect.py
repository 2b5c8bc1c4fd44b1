"""The `gemini` dialect: Google's generateContent family (Gemini API v1beta)."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    Echo,
    ErrorInfo,
    EventKind,
    LLMRequest,
    LLMResponse,
    Losses,
    Mint,
    StreamDecoder,
    StreamEncoder,
    Target,
    Usage,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.quirks import Quirks
from llm_gateway_sdk.dialects.receiver import GENERATE_CONTENT, Receiver
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import has

from . import bytewise, errors, request, request_encoder, response, stream, stream_encoder
from .field_names import FIELD_NAMES, REPLY_FIELD_NAMES
from .parts import NAME
from .paths import STREAM_METHOD, build_path, split_path
from .quirks import QUIRKS
from .request import GeminiEcho

__all__ = ["Gemini"]


class Gemini(Dialect):
    """Google's generateContent, as client and as provider."""

    name: ClassVar[str] = NAME
    field_names = FIELD_NAMES
    reply_field_names = REPLY_FIELD_NAMES
    lacks = frozenset({"citations", "media.name", "messages.name", "response_format.description"})
    reply_lacks = frozenset({"logprobs.refusal", "stop_sequence", "tool_calls.namespace", "usage.cache_write_tokens"})
    reply_tiers = frozenset()
    thoughts = "hidden"
    signs_texts = True
    quirks: ClassVar[Quirks] = QUIRKS
    answer_sign: ClassVar[re.Pattern[bytes] | None] = re.compile(
        rb'"candidates"\s*:\s*\[\s*\{\s*"|"promptFeedback"\s*:\s*\{'
    )
    end_markers: ClassVar[tuple[bytes, ...]] = (b'"finishReason"', b'"blockReason"')
    error_markers: ClassVar[tuple[bytes, ...]] = (b'"error"',)
    request_id_header: ClassVar[str] = "x-request-id"

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return request.decode_request(wire)

    def encode_request(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return request_encoder.encode_request(request_, target, losses)

    def receiver(self, target: Target) -> Receiver:
        known: Receiver | None = target.memo.get(NAME)
        if known is None:
            known = target.memo[NAME] = GENERATE_CONTENT.of_model(limits_of(target.model, None, target.facts))
        return known

    def encode_count(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        """The request that counts the tokens of `request_`."""
        return request_encoder.encode_count(request_, target, losses)

    def decode_count(self, wire: WireReply) -> int:
        """Input tokens as `countTokens` counts them. Raises DialectError."""
        try:
            total = count(json.loads(wire.body).get("totalTokens", 0))
        except (ValueError, AttributeError):
            raise DialectError("the reply is not a token count") from None
        if total is None:
            raise DialectError("expected a whole number from 0 on", path="totalTokens")
        return total

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return response.decode_response(wire, mint)

    def encode_response(self, response_: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        return response.encode_response(response_, echo, mint, losses)

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return stream.Decoder(mint)

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        own_echo = echo if isinstance(echo, GeminiEcho) else GeminiEcho(echo.model, echo.stream)
        return stream_encoder.Encoder(own_echo, mint, losses)

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        return errors.decode_error(wire)

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return errors.encode_error(error)

    def peek(self, wire: WireRequest) -> tuple[str | None, bool]:
        """Both are in the path; the body need not be read."""
        model, method = split_path(wire.path)
        return model, method == STREAM_METHOD

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        model, method = split_path(wire.path)
        if model is None or not target.model:
            return wire
        path = build_path(target.model, method)
        return WireRequest(wire.method, path, wire.query, wire.headers, _rename(wire.body, target.model))

    def event_kind(self, event: bytes) -> EventKind:
        return bytewise.event_kind(event)

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        return bytewise.usage_of(head, tail)


def _rename(body: bytes, model: str) -> bytes:
    """Counting and embedding bodies repeat the model's name."""
    if not has(body, b'"model"'):
        return body
    try:
        top = json.loads(body)
    except ValueError:
        return body
    if not isinstance(top, dict):
        return body
    name = build_path(model, "")[1:-1]
    changes: dict[str, Any] = {}
    if isinstance(top.get("model"), str):
        changes["model"] = name
    for key in ("generateContentRequest", "generate_content_request"):
        if isinstance(top.get(key), dict) and "model" in top[key]:
            changes[key] = {**top[key], "model": name}
    if isinstance(top.get("requests"), list):
        changes["requests"] = [{**item, "model": name} if isinstance(item, dict) else item for item in top["requests"]]
    return json.replace_top_level(body, changes) if changes else body
