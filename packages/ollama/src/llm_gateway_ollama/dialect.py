"""The `ollama` dialect: `/api/chat` and `/api/generate`.

Unlike in other APIs, a stream is the default and has one JSON object per line, calls of tools need no ids, and their
arguments are objects.
"""

from __future__ import annotations

import re
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
from llm_gateway_sdk.dialects.fields import read_object
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.quirks import Quirks
from llm_gateway_sdk.dialects.receiver import Receiver, ToolNames
from llm_gateway_sdk.wire import json

from . import errors, request, request_encoder, response, stream, stream_encoder
from .field_names import FIELD_NAMES
from .parts import NAME
from .quirks import QUIRKS
from .request import OllamaEcho

__all__ = ["Ollama"]

# Templates of local models print names of tools as they are; the limits are those of the models' training.
_RECEIVER = Receiver(tool_names=ToolNames(64), whole_schemas=True, audio=False)


class Ollama(Dialect):
    """`/api/chat` and `/api/generate`, as client and as provider."""

    name: ClassVar[str] = NAME
    sse: ClassVar[bool] = False
    quirks: ClassVar[Quirks] = QUIRKS
    field_names = FIELD_NAMES
    thoughts = "apart"
    end_markers: ClassVar[tuple[bytes, ...]] = (b'"done":true', b'"done": true')
    answer_sign: ClassVar[re.Pattern[bytes] | None] = re.compile(rb'"(?:message|response)"\s*:')
    lacks = frozenset(
        {
            "citations",
            "citations.prompt",
            "media.name",
            "messages.name",
            "reasoning.summary",
            "response_format.description",
        }
    )
    reply_lacks = frozenset(
        {
            "logprobs.refusal",
            "stop_sequence",
            "tool_calls.namespace",
            "usage.cache_write_tokens",
            "usage.input_audio_tokens",
            "usage.output_audio_tokens",
            "usage.reasoning_tokens",
        }
    )

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return request.decode_request(wire)

    def check_portable(self, request_: LLMRequest, losses: Losses) -> None:
        request.check_portable(request_, losses)

    def encode_request(self, request_: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return request_encoder.encode_request(request_, target, losses)

    def receiver(self, target: Target) -> Receiver:
        known: Receiver | None = target.memo.get(NAME)
        if known is None:
            known = target.memo[NAME] = _RECEIVER.of_model(limits_of(target.model, target.quirks, target.facts))
        return known

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return response.decode_response(wire, mint)

    def encode_response(self, response_: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        return response.encode_response(response_, _of(echo), mint, losses)

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return stream.Decoder(mint)

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        return stream_encoder.Encoder(_of(echo), mint, losses)

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        return errors.decode_error(wire)

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return errors.encode_error(error)

    def peek(self, wire: WireRequest) -> tuple[str | None, bool]:
        """Without `stream` there is one."""
        model, stream_ = json.peek(wire.body)
        return model, stream_ or json.loads(wire.body).get("stream") is not False

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        """Of a whole body, or of the last line of a stream."""
        lines = tail.strip().rsplit(b"\n", 1)
        try:
            return response.usage_in(read_object(lines[-1]))
        except DialectError:
            return None


def _of(echo: Echo) -> OllamaEcho:
    return echo if isinstance(echo, OllamaEcho) else OllamaEcho(echo.model, echo.stream)
