"""OpenAI Responses: `POST /responses`, whole and streamed, for clients and for providers."""

from __future__ import annotations

import re
from typing import ClassVar

from llm_gateway_sdk.dialect import (
    Dialect,
    Echo,
    EventKind,
    Mint,
    StreamDecoder,
    StreamEncoder,
    Target,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.quirks import Quirks
from llm_gateway_sdk.dialects.receiver import RESPONSES, Receiver
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.request import LLMRequest
from llm_gateway_sdk.response import LLMResponse, Usage

from . import errors, request, request_encoder, response
from .breaking import break_off
from .bytewise import event_kind, usage_of
from .echo import ResponsesEcho
from .field_names import FIELD_NAMES, REPLY_FIELD_NAMES
from .fields import NAME
from .quirks import QUIRKS
from .stream import ResponsesStreamDecoder
from .stream_encoder import ResponsesStreamEncoder

__all__ = ["OpenAIResponses"]


class OpenAIResponses(Dialect):
    name: ClassVar[str] = NAME
    field_names = FIELD_NAMES
    reply_field_names = REPLY_FIELD_NAMES
    lacks = frozenset({"citations.prompt"})
    reply_lacks = frozenset(
        {"logprobs.refusal", "stop_sequence", "usage.input_audio_tokens", "usage.output_audio_tokens"}
    )
    reply_tiers = response.SERVICE_TIERS
    quirks: ClassVar[Quirks] = QUIRKS
    answer_sign: ClassVar[re.Pattern[bytes] | None] = re.compile(rb'"output"\s*:\s*\[')
    end_markers: ClassVar[tuple[bytes, ...]] = (b'"response.completed"', b'"response.incomplete"')
    error_markers: ClassVar[tuple[bytes, ...]] = (b'"response.failed"', b'"error"')
    request_id_header: ClassVar[str] = "x-request-id"

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return request.decode_request(wire)

    def encode_response(self, reply: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        return response.encode_response(reply, _own_echo(echo), mint, losses)

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        return ResponsesStreamEncoder(_own_echo(echo), mint, losses)

    def asks_for_thoughts(self, request_: LLMRequest) -> bool:
        return request.takes_encrypted_reasoning(request_) or super().asks_for_thoughts(request_)

    def break_off(self, error: ErrorInfo, head: bytes, tail: bytes, mint: Mint) -> bytes:
        return break_off(error, head, tail) or super().break_off(error, head, tail, mint)

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return errors.encode_error(error)

    def encode_request(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return request_encoder.encode_request(request_, target, losses)

    def receiver(self, target: Target) -> Receiver:
        known: Receiver | None = target.memo.get(NAME)
        if known is None:
            known = target.memo[NAME] = RESPONSES.of_model(limits_of(target.model, None, target.facts))
        return known

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return response.decode_response(wire, mint)

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return ResponsesStreamDecoder(mint)

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        return errors.decode_error(wire)

    def encode_count(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        """`POST /responses/input_tokens`."""
        return request_encoder.encode_count(request_, target, losses)

    def decode_count(self, wire: WireReply) -> int:
        return request.decode_count(wire)

    def check_portable(self, request_: LLMRequest, losses: Losses) -> None:
        """Called before a request of this dialect is written in another one: raises DialectError where it rests on
        what the vendor has stored, and lists what no other dialect can say."""
        request.check_portable(request_, losses)

    def event_kind(self, event: bytes) -> EventKind:
        return event_kind(event)

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        return usage_of(head, tail)


def _own_echo(echo: Echo) -> ResponsesEcho:
    return echo if isinstance(echo, ResponsesEcho) else ResponsesEcho(echo.model, echo.stream)
