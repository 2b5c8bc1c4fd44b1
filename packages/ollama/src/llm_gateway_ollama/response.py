"""Replies of `/api/chat` and `/api/generate`: whole, and the lines of a stream, which have the same fields."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    Choice,
    Headers,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Part,
    TextPart,
    ThinkingPart,
    Usage,
    WireReply,
)
from llm_gateway_sdk.dialects.answer import finish_that_fits, has_calls, join_choices
from llm_gateway_sdk.dialects.fields import (
    optional_bool,
    optional_list,
    optional_object,
    optional_str,
    read_object,
)
from llm_gateway_sdk.dialects.metadata import keep
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.waiting import moment_of_seconds, seconds_of_moment
from llm_gateway_sdk.wire import json

from .parts import NAME, decode_call, encode_parts
from .request import OllamaEcho

__all__ = ["REPLY", "decode_response", "encode_response", "read_reply", "usage_in", "write_end", "write_reply"]

REPLY = "choices[*].message.content[*]"
_KNOWN = frozenset(
    {
        "model", "created_at", "message", "response", "thinking", "tool_calls", "done", "done_reason", "logprobs",
        "prompt_eval_count", "eval_count",
    }
)  # fmt: skip
_DURATIONS = frozenset({"total_duration", "load_duration", "prompt_eval_duration", "eval_duration", "context"})
"""Measures of the server that answered, and what only it can use again: no other API has them."""


def decode_response(wire: WireReply, mint: Mint) -> LLMResponse:
    """Raises DialectError."""
    reply = read_reply(read_object(wire.body, "the reply"), mint)
    choice = reply.choices[0]
    choice.finish_reason = finish_that_fits(choice.finish_reason, calls=has_calls(choice.message.content))
    return reply


def read_reply(body: dict[str, Any], mint: Mint) -> LLMResponse:
    """A whole reply or a line of a stream. Parts have no indices yet. Raises DialectError."""
    if "response" in body:
        raw, text = body, optional_str(body.get("response"), "response")
    else:
        raw = optional_object(body.get("message"), "message") or {}
        text = optional_str(raw.get("content"), "message.content")
    parts: list[Part] = []
    if thought := optional_str(raw.get("thinking"), "thinking"):
        parts.append(ThinkingPart(thought))
    if text:
        parts.append(TextPart(text))
    for place, item in enumerate(optional_list(raw.get("tool_calls"), "tool_calls")):
        call = decode_call(item, f"tool_calls[{place}]")
        call.id = call.id or mint.id("call_")
        parts.append(call)
    choice = Choice(0, Message("assistant", parts))
    if found := optional_list(body.get("logprobs"), "logprobs"):
        choice.logprobs = {"content": found}
    reply = LLMResponse(
        "", optional_str(body.get("model"), "model") or "", seconds_of_moment(body.get("created_at")), [choice]
    )
    reply.provider_metadata = keep(NAME, body, _KNOWN | _DURATIONS)
    if optional_bool(body.get("done"), "done"):
        reply.final = True
        choice.raw_finish_reason = optional_str(body.get("done_reason"), "done_reason") or "stop"
        choice.finish_reason = "length" if choice.raw_finish_reason == "length" else "stop"
        reply.usage = usage_in(body)
    return reply


def usage_in(body: dict[str, Any]) -> Usage | None:
    """Counts that are no whole numbers from 0 on are taken as absent."""
    asked, answered = count(body.get("prompt_eval_count")), count(body.get("eval_count"))
    return None if asked is None and answered is None else Usage(asked, answered)


def encode_response(response: LLMResponse, echo: OllamaEcho, mint: Mint, losses: Losses) -> WireReply:
    choice = join_choices(response.choices)
    fields = encode_parts(choice.message.content, losses, REPLY, "choices[*].message")
    end = write_end(choice.finish_reason, response.usage)
    if choice.logprobs is not None and choice.logprobs.get("content"):
        end["logprobs"] = choice.logprobs["content"]
    body = write_reply(echo, response.model, response.created or mint.now(), fields, end)
    return WireReply(200, Headers.of([("content-type", "application/json; charset=utf-8")]), json.dumps(body))


def write_reply(
    echo: OllamaEcho, model: str, created: int, fields: dict[str, Any], end: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A whole reply or a line of a stream; `end` is what the last one has."""
    when = moment_of_seconds(created)
    body: dict[str, Any] = {"model": model or echo.model, "created_at": when}
    if echo.generate:
        rest = {name: value for name, value in fields.items() if name not in ("content", "images")}
        body |= {"response": fields["content"], **rest}
    else:
        body["message"] = {"role": "assistant", **fields}
    return {**body, "done": end is not None, **(end or {})}


def write_end(finish: str | None, usage: Usage | None) -> dict[str, Any]:
    end: dict[str, Any] = {"done_reason": "length" if finish == "length" else "stop"}
    if usage is not None:
        end |= {"prompt_eval_count": usage.input_tokens or 0, "eval_count": usage.output_tokens or 0}
    return end
