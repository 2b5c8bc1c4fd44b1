"""OpenAI Chat Completions, as OpenAI documents it and as its many imitators speak it."""

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
from llm_gateway_sdk.dialects.receiver import Receiver
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.request import LLMRequest
from llm_gateway_sdk.response import LLMResponse, Usage

from .errors import decode_error, encode_error
from .fields import NAME
from .receiver import receiver_of
from .request import ChatEcho, ask_for_usage, decode_request, encode_request
from .response import decode_response, encode_response
from .stream import ChatStreamDecoder, ChatStreamEncoder
from .usage import find_usage

__all__ = ["ChatEcho", "OpenAIChat"]


class OpenAIChat(Dialect):
    """`POST /chat/completions`.

    Quirks of a target (all absent by default, which is OpenAI itself):

    - `max_tokens_field`: `max_tokens` where the newer `max_completion_tokens` is not known.
    - `no_stream_options`, `no_parallel_tool_calls`, `no_developer_role`, `no_custom_tools`, `no_allowed_tools`,
      `no_json_schema`, `no_reasoning`, `no_service_tier`, `no_null_content`, `no_message_name`: what the server
      refuses.
    - `no_fields`: names of further request fields that it refuses (`store`, `metadata`, `verbosity`, …).
    - `call_id_length`: ids of tool calls have exactly so many letters or digits (Mistral's 9).
    - `tool_name_length`, `user_length`: how many letters a tool's name and an end user's id may have (64, 128).
    - `system_turns: first`: one system message, and that the first; later system texts become a user's.
    - `no_user_after_tool`: no user's message right after a tool's (Mistral).
    - `string_content`: texts only as one string, not as parts.
    - `max_stop`: how many stop sequences it takes (4).
    - `required_word`: its word for `tool_choice: "required"`; `seed_field`, `user_field`: its names of those fields.
    - `top_k`: it takes `top_k`. `efforts`: the values of `reasoning_effort` that it knows.
    - `reasoning_object`: reasoning is asked for by OpenRouter's `reasoning` object.
    - `thinking_switch`: reasoning is switched by `thinking: {type: enabled | disabled}` (DeepSeek, Z.ai).
    - `reasoning_field`: the field in which it wants earlier reasoning back (`reasoning_content`, `reasoning`);
      `reasoning_with_calls`: and wants it, even empty, on each message with tool calls.
    - `cache`: how cache hints are said: `breakpoint` (OpenAI), `cache_control` (OpenRouter and others), `none`.
    - `file_url`, `video_url`: it takes files by URL, videos.
    """

    name: ClassVar[str] = "openai_chat"
    own_form: ClassVar[bytes] = b'"messages"'
    end_markers: ClassVar[tuple[bytes, ...]] = (b"[DONE]",)
    end_event: ClassVar[bytes] = b"data: [DONE]\n\n"
    error_markers: ClassVar[tuple[bytes, ...]] = (b'"error"',)
    usage_markers: ClassVar[tuple[bytes, ...]] = (
        b'"choices":[]',
        b'"choices": []',
        b'"choices":null',
        b'"choices": null',
    )

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        return decode_request(wire)

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

    def decode_response(self, wire: WireReply, mint: Mint) -> LLMResponse:
        return decode_response(wire, mint)

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
