"""The `bedrock` dialect: Amazon Bedrock's Converse and ConverseStream."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    Echo,
    ErrorInfo,
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
from llm_gateway_sdk.dialects.receiver import CONVERSE, Receiver
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.wire import json

from . import claude, errors, request, request_encoder, response, stream, stream_encoder
from .eventstream import EventStreamDecoder, EventStreamError
from .field_names import FIELD_NAMES, REPLY_FIELD_NAMES
from .parts import NAME
from .paths import CONVERSE_STREAM, build_path, split_path
from .quirks import QUIRKS

__all__ = ["Bedrock"]


class Bedrock(Dialect):
    """Converse and ConverseStream, as client and as provider."""

    name: ClassVar[str] = NAME
    answer_sign: ClassVar[re.Pattern[bytes] | None] = re.compile(rb'"output"\s*:\s*\{')
    field_names = FIELD_NAMES
    reply_field_names = REPLY_FIELD_NAMES
    lacks = frozenset({"messages.name", "reasoning.summary"})
    reply_lacks = frozenset(
        {
            "logprobs",
            "stop_sequence",
            "tool_calls.namespace",
            "usage.input_audio_tokens",
            "usage.output_audio_tokens",
            "usage.reasoning_tokens",
        }
    )
    reply_tiers = response.REPLY_TIERS
    quirks: ClassVar[Quirks] = QUIRKS
    sse: ClassVar[bool] = False
    request_id_header: ClassVar[str] = "x-amzn-requestid"

    refusal_markers = (b'"budget_tokens"', b'"toolUse"')

    def fit_own(self, body: bytes, model: str, losses: Losses) -> bytes:
        return claude.without_refused_budget(body, model, losses)

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return request.decode_request(wire)

    def encode_request(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return request_encoder.encode_request(request_, target, losses)

    def receiver(self, target: Target) -> Receiver:
        known: Receiver | None = target.memo.get(NAME)
        if known is None:
            model = str(target.quirks.get("model_id") or target.model)
            known = target.memo[NAME] = CONVERSE.of_model(limits_of(model, target.quirks, target.facts))
        return known

    def encode_count(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        """The request that counts the tokens of `request_`."""
        return request_encoder.encode_count(request_, target, losses)

    def decode_count(self, wire: WireReply) -> int:
        """Input tokens as CountTokens counts them. Raises DialectError."""
        try:
            counted = count(json.loads(wire.body).get("inputTokens"))
        except (ValueError, AttributeError):
            counted = None
        if counted is None:
            raise DialectError("the reply is not a token count")
        return counted

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return response.decode_response(wire, mint)

    def encode_response(self, response_: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        return response.encode_response(response_, echo, mint, losses)

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return stream.Decoder(mint)

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        return stream_encoder.Encoder(echo, mint, losses)

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        return errors.decode_error(wire)

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return errors.encode_error(error)

    def peek(self, wire: WireRequest) -> tuple[str | None, bool]:
        """Both are in the path; the body need not be read."""
        model, operation = split_path(wire.path)
        return model, operation == CONVERSE_STREAM

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        model, operation = split_path(wire.path)
        if model is None or not target.model:
            return wire
        return WireRequest(wire.method, build_path(target.model, operation), wire.query, wire.headers, wire.body)

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        """Of a whole body, or of a stream kept from its beginning."""
        if tail.lstrip()[:1] == b"{":
            try:
                body = json.loads(tail)
            except ValueError:
                return None
            return _usage_in(body)
        usage: Usage | None = None
        for part in (head, tail):
            try:
                messages = EventStreamDecoder().feed(part)
            except EventStreamError:
                continue  # the tail may begin within a message
            for message in messages:
                if message.headers.get(":event-type") == "metadata":
                    usage = _usage(message.payload) or usage
        return usage


def _usage(payload: bytes) -> Usage | None:
    try:
        event = json.loads(payload)
    except ValueError:
        return None
    return _usage_in(event)


def _usage_in(body: Any) -> Usage | None:
    if not isinstance(body, dict):
        return None
    found = LLMResponse(usage=response.decode_usage(body.get("usage")))
    response.read_metadata(found, body)
    return found.usage
