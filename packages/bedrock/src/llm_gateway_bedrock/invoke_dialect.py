"""The dialect `bedrock_invoke`: InvokeModel, whole and streamed, for clients that send a vendor's own body through AWS.

Whatever the body, any model answers; the reply is in the same vendor's form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

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
from llm_gateway_sdk.dialects.receiver import Receiver

from . import errors
from .invoke import to_invoke_model
from .invoke_bodies import Family, FieldsOfBody, inner_dialect, unwrap
from .invoke_stream import Decoder, Encoder, metrics_of
from .paths import INVOKE_STREAM, build_path, split_path

__all__ = ["BedrockInvoke", "InvokeEcho"]

_COUNTS = {
    "inputTokenCount": "x-amzn-bedrock-input-token-count",
    "outputTokenCount": "x-amzn-bedrock-output-token-count",
}


@dataclass(slots=True)
class InvokeEcho(Echo):
    family: Family = "anthropic"
    inner: Echo = field(default_factory=Echo)
    """What the dialect of the body needs to write the reply."""


class BedrockInvoke(Dialect):
    """As a provider's dialect it speaks to Claude alone; providers use `bedrock` and `anthropic` in its place."""

    name: ClassVar[str] = "bedrock_invoke"
    sse: ClassVar[bool] = False
    field_names = FieldsOfBody()
    request_id_header: ClassVar[str] = "x-amzn-requestid"
    answer_sign: ClassVar[re.Pattern[bytes] | None] = re.compile(rb'"content"\s*:\s*\[')

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        family, inner = unwrap(wire)
        request, echo = inner_dialect(family).decode_request(inner)
        model, operation = split_path(wire.path)
        request.model, request.stream = model or "", operation == INVOKE_STREAM
        return request, InvokeEcho(request.model, request.stream, family, echo)

    def check_portable(self, request: LLMRequest, losses: Losses) -> None:
        for family in request.provider_metadata:
            if family in ("anthropic", "openai_chat", "bedrock"):
                inner_dialect(family).check_portable(request, losses)

    def encode_response(self, response: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        family, inner = _inner(echo)
        reply = inner_dialect(family).encode_response(response, inner, mint, losses)
        reply.headers.set("content-type", "application/json")
        if response.usage is not None:
            for name, value in metrics_of(response.usage).items():
                reply.headers.set(_COUNTS[name], str(value))
        return reply

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        family, inner = _inner(echo)
        return Encoder(inner_dialect(family).stream_encoder(inner, mint, losses), family)

    def report_unwritten(self, response: LLMResponse, losses: Losses) -> None:
        """By the body that nearly all requests have."""
        inner_dialect("anthropic").report_unwritten(response, losses)

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return errors.encode_error(error)

    def peek(self, wire: WireRequest) -> tuple[str | None, bool]:
        """Both are in the path; the body need not be read."""
        model, operation = split_path(wire.path)
        return model, operation == INVOKE_STREAM

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        model, operation = split_path(wire.path)
        if model is None or not target.model:
            return wire
        return WireRequest(wire.method, build_path(target.model, operation), wire.query, wire.headers, wire.body)

    def encode_request(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        wire = inner_dialect("anthropic").encode_request(request, target, losses)
        try:
            to_invoke_model(wire)
        except ValueError as error:
            raise DialectError(str(error)) from None
        return wire

    def receiver(self, target: Target) -> Receiver:
        return inner_dialect("anthropic").receiver(target)

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return inner_dialect("anthropic").decode_response(wire, mint)

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return Decoder(inner_dialect("anthropic").stream_decoder(mint))

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        return errors.decode_error(wire)

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        """Of a whole body of Claude's."""
        return inner_dialect("anthropic").usage_of(head, tail) if tail.lstrip()[:1] == b"{" else None


def _inner(echo: Echo) -> tuple[Family, Echo]:
    if isinstance(echo, InvokeEcho):
        return echo.family, echo.inner
    return "bedrock", echo
