"""OpenAI Chat Completions, as OpenAI documents it and as its many imitators speak it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

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
from llm_gateway_sdk.dialects.fit import fit
from llm_gateway_sdk.dialects.plain import PlainRequest, PlainTurn
from llm_gateway_sdk.dialects.quirks import Quirks
from llm_gateway_sdk.dialects.receiver import Receiver
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.request import LLMRequest
from llm_gateway_sdk.response import LLMResponse, Usage

from . import plain
from .errors import decode_error, encode_error
from .field_names import FIELD_NAMES, REPLY_FIELD_NAMES
from .fields import NAME
from .parts import THINKING_FIELDS
from .plain_replies import has_no_other_words, read_plain_reply
from .quirks import QUIRKS
from .receiver import receiver_of, receiver_of_own
from .request import ChatEcho, ask_for_usage, decode_request
from .request_encoder import encode_request
from .response import SERVICE_TIERS, decode_response, encode_response
from .stream import ChatStreamDecoder
from .stream_encoder import ChatStreamEncoder
from .usage import find_usage

__all__ = ["OpenAIChat"]


class OpenAIChat(Dialect):
    """`POST /chat/completions`. What compatible servers do otherwise is declared in `quirks`."""

    name: ClassVar[str] = "openai_chat"
    field_names = FIELD_NAMES
    reply_field_names = REPLY_FIELD_NAMES
    lacks = frozenset({"citations"})
    reply_lacks = frozenset({"stop_sequence", "tool_calls.namespace"})
    reply_tiers = SERVICE_TIERS
    thoughts = "apart"
    signs_texts = True
    quirks: ClassVar[Quirks] = QUIRKS
    own_form: ClassVar[bytes] = b'"messages"'
    answer_sign: ClassVar[re.Pattern[bytes] | None] = re.compile(rb'"message"\s*:\s*\{\s*"')
    end_markers: ClassVar[tuple[bytes, ...]] = (b"[DONE]",)
    end_event: ClassVar[bytes] = b"data: [DONE]\n\n"
    reasoning_markers: ClassVar[tuple[bytes, ...]] = tuple(b'"%b"' % field.encode() for field in THINKING_FIELDS)
    error_markers: ClassVar[tuple[bytes, ...]] = (b'"error"',)
    usage_markers: ClassVar[tuple[bytes, ...]] = (
        b'"choices":[]',
        b'"choices": []',
        b'"choices":null',
        b'"choices": null',
    )

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return decode_request(wire)

    def read_plain(self, wire: WireRequest) -> PlainRequest | None:
        return plain.read_plain(wire)

    def write_turns(self, turns: Sequence[PlainTurn], sender: str) -> dict[str, Any] | None:
        return plain.write_turns(turns, sender)

    def encode_response(self, response: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
        return encode_response(response, _chat_echo(echo), mint, losses)

    def stream_encoder(self, echo: Echo, mint: Mint, losses: Losses) -> StreamEncoder:
        return ChatStreamEncoder(_chat_echo(echo), mint, losses)

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return encode_error(error)

    def encode_request(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        return encode_request(request, target, losses)

    def receiver(self, target: Target) -> Receiver:
        known: Receiver | None = target.memo.get(NAME)
        if known is None:
            known = target.memo[NAME] = receiver_of(target)
        return known

    def adapt(self, request: LLMRequest, target: Target, losses: Losses) -> WireRequest:
        fitted = fit(request, receiver_of_own(target), losses, NAME)
        return encode_request(fitted.request, target, losses)

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return read_plain_reply(wire.body) or decode_response(wire, mint)

    def reads_all_of(self, wire: WireReply) -> bool:
        return has_no_other_words(wire.body)

    def stream_decoder(self, mint: Mint) -> StreamDecoder:
        return ChatStreamDecoder(mint)

    def decode_error(self, wire: WireReply) -> ErrorInfo:
        return decode_error(wire)

    def event_kind(self, event: bytes) -> EventKind:
        if b"[DONE]" in event and _DONE.search(event):
            return "terminal"
        if b'"error"' in event and _ERROR.search(event):
            return "error"
        if b'"choices"' not in event:
            return "other"
        if _NO_CHOICES.search(event):
            return "usage" if _USAGE.search(event) else "preamble"
        if _CONTENT.search(event):
            return "content"
        return "preamble" if b'"finish_reason":"' not in event and not _FINISH.search(event) else "other"

    def ask_for_usage(self, wire: WireRequest) -> WireRequest | None:
        return ask_for_usage(wire)

    def usage_of(self, head: bytes, tail: bytes) -> Usage | None:
        return find_usage(tail)


def _chat_echo(echo: Echo) -> ChatEcho:
    return echo if isinstance(echo, ChatEcho) else ChatEcho(echo.model, echo.stream)


# Inside a JSON string a quote is escaped, so that these patterns can only match keys.
_DONE = re.compile(rb"^data: ?\[DONE\]\s*$", re.M)
_ERROR = re.compile(rb'"error"\s*:\s*(?!null\b|\s)|"object"\s*:\s*"error"')
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*(?:\[\s*\]|null)')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_CONTENT = re.compile(
    rb'"(?:content|reasoning_content|reasoning|refusal|arguments|name|input|data|transcript)"\s*:\s*"[^"]'
    rb'|"(?:tool_calls|content|thinking_blocks|reasoning_details|images|annotations)"\s*:\s*\[\s*\{'
    rb'|"(?:function_call|audio)"\s*:\s*\{'
)
