"""The Messages API of Anthropic, as client and as provider. What compatible servers do otherwise is in `quirks`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import (
    Dialect,
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
from llm_gateway_sdk.dialects.plain import PlainRequest, PlainTurn
from llm_gateway_sdk.dialects.quirks import Quirks
from llm_gateway_sdk.dialects.receiver import MESSAGES, Receiver
from llm_gateway_sdk.wire.pieces import PIECE_BYTES, has_any

from . import bytewise, errors, plain, request, request_encoder, response, stream, stream_encoder, thinking
from .field_names import FIELD_NAMES, REPLY_FIELD_NAMES
from .parts import NAME
from .quirks import QUIRKS
from .versions import VERSION_2023

__all__ = ["Anthropic"]


class Anthropic(Dialect):
    name = NAME
    field_names = FIELD_NAMES
    reply_field_names = REPLY_FIELD_NAMES
    lacks = frozenset({"response_format.description", "messages.name"})
    reply_lacks = frozenset(
        {"logprobs", "tool_calls.namespace", "usage.input_audio_tokens", "usage.output_audio_tokens"}
    )
    reply_tiers = response.REPLY_TIERS
    quirks: ClassVar[Quirks] = QUIRKS
    answer_sign: ClassVar[re.Pattern[bytes] | None] = re.compile(rb'"content"\s*:\s*\[')
    end_markers = (b"message_stop",)
    error_markers = (b'"error"',)
    refusal_markers = (b'"budget_tokens"', b'"tool_use"')
    request_id_header = errors.REQUEST_ID_HEADER
    version_header: ClassVar[str] = "anthropic-version"
    default_version = VERSION_2023

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return request.decode_request(wire)

    def read_plain(self, wire: WireRequest) -> PlainRequest | None:
        return plain.read_plain(wire)

    def write_turns(self, turns: Sequence[PlainTurn], sender: str) -> dict[str, Any] | None:
        return plain.write_turns(turns, sender)

    def fit_own(self, body: bytes, model: str, losses: Losses) -> bytes:
        return thinking.without_refused_budget(body, model, losses)

    def encode_response(self, response_: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        return response.encode_response(response_, echo, mint, losses)

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        return stream_encoder.AnthropicStreamEncoder(echo, mint, losses)

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return errors.encode_error(error)

    def encode_request(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return request_encoder.encode_request(request_, target, losses)

    def receiver(self, target: Target) -> Receiver:
        known: Receiver | None = target.memo.get(NAME)
        if known is None:
            known = target.memo[NAME] = MESSAGES.of_model(limits_of(target.model, target.quirks, target.facts))
        return known

    def encode_count(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        """A request to count the tokens of `request_`."""
        return request_encoder.encode_count(request_, target, losses)

    def decode_count(self, wire: WireReply) -> int:
        """Raises DialectError."""
        return response.decode_count(wire)

    def check_portable(self, request_: LLMRequest, losses: Losses) -> None:
        """Lists what the texts within documents have that no other dialect can say."""
        request.check_portable(request_, losses)

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return response.decode_response(wire, mint)

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return stream.AnthropicStreamDecoder(mint)

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        return errors.decode_error(wire)

    def wants_asked_name(self, wire: WireRequest) -> bool:
        """Claude Code drops signed thinking where the reply does not name the model that it asked for, and the provider
        then misses it in the next turn."""
        body = wire.body
        return b'"thinking"' in body if len(body) <= PIECE_BYTES else has_any(body, b'"thinking"')

    def rename_reply(self, data: bytes, model: str) -> bytes:
        return bytewise.rename_reply(data, model)

    def event_kind(self, event: bytes) -> EventKind:
        return bytewise.event_kind(event)

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        return bytewise.usage_of(head, tail)
