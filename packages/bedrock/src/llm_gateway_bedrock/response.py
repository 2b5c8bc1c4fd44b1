"""Converse replies ↔ LLMResponse. `usage.inputTokens` leaves out what the cache took."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import Choice, DialectError, Echo, Headers, LLMResponse, Losses, Message, Mint, Usage, WireReply
from llm_gateway_sdk.dialects.answer import broken_end, has_content, join_choices
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.response import refusal_of
from llm_gateway_sdk.wire import json

from .errors import error_in
from .parts import NAME, BlockEncoder, decode_content, expect, own

__all__ = [
    "FINISH",
    "REPLY_TIERS",
    "build_usage",
    "decode_response",
    "decode_usage",
    "encode_response",
    "encode_stop",
    "read_stop",
]

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}

_WORDS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "end_turn",
    "error": "malformed_model_output",
}

_COUNTED = frozenset({"inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens"})


def decode_response(wire: WireReply, mint: Mint) -> LLMResponse:
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the reply is not valid JSON: {error}") from None
    body = expect(body, dict, "")
    response = LLMResponse(id=wire.headers.get("x-amzn-requestid") or "")
    output = expect(body.get("output") or {}, dict, "output")
    if not output and body.get("stopReason") is None:
        if (failure := error_in(body)) is not None:
            response.error = failure
            return response
        raise DialectError("the reply holds no answer", path="output")
    message = expect(output.get("message") or {}, dict, "output.message")
    choice = Choice(0, Message("assistant", decode_content(message.get("content"), "output.message.content")))
    for index, part in enumerate(choice.message.content):
        part.index = index
    read_stop(choice, body, answered=has_content(choice.message.content))
    response.choices.append(choice)
    response.error = broken_end(response.choices)
    response.usage = decode_usage(body.get("usage"))
    read_metadata(response, body)
    return response


def read_stop(choice: Choice, body: dict[str, Any], *, answered: bool = True) -> None:
    """`stopReason` and the fields that were asked for next to it. An unknown word is an end like any other where
    there is an answer, and else an error."""
    word = body.get("stopReason")
    if isinstance(word, str):
        choice.finish_reason = FINISH.get(word, "stop" if answered else "error")
        choice.raw_finish_reason = word
        if _WORDS[choice.finish_reason] != word:
            choice.provider_metadata = {NAME: {"finish_reason": word}}
    fields = body.get("additionalModelResponseFields")
    if isinstance(fields, dict):
        stop = fields.get("stop_sequence")
        if isinstance(stop, str):
            choice.stop_sequence = stop
        choice.provider_metadata = {NAME: {**own(choice), "additionalModelResponseFields": fields}}


def read_metadata(response: LLMResponse, body: dict[str, Any]) -> None:
    tier = body.get("serviceTier")
    if isinstance(tier, dict) and isinstance(tier.get("type"), str):
        response.service_tier = tier["type"]
        if response.usage is not None:
            response.usage.service_tier = tier["type"]
    rest = {key: value for key, value in body.items() if key not in _READ and value is not None}
    if rest:
        response.provider_metadata = {NAME: rest}


_READ = frozenset({"output", "stopReason", "usage", "serviceTier", "additionalModelResponseFields", "p"})
"""`p` is padding against guessing a reply by the lengths of its packets."""


def decode_usage(value: Any) -> Usage | None:
    if not isinstance(value, dict) or not value:
        return None
    read, written = count(value.get("cacheReadInputTokens")), count(value.get("cacheWriteInputTokens"))
    uncached = count(value.get("inputTokens"))
    usage = Usage(
        None if uncached is None else uncached + (read or 0) + (written or 0),
        count(value.get("outputTokens")),
        read,
        written,
    )
    if rest := {key: inner for key, inner in value.items() if key not in _COUNTED and inner is not None}:
        usage.provider_metadata = {NAME: rest}
        usage.cache_write_1h_tokens = _kept_for_an_hour(rest.get("cacheDetails"))
    return usage


def _kept_for_an_hour(details: Any) -> int | None:
    """Of `cacheDetails`: a list of `{ttl, inputTokens}`."""
    listed = details if isinstance(details, list) else ()
    counts = [count(each.get("inputTokens")) for each in listed if isinstance(each, dict) and each.get("ttl") == "1h"]
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


# Encoding.


def encode_response(response: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
    choice = join_choices(response.choices)
    content = BlockEncoder(losses, "choices[*].message.content[*]", reply=True).encode(choice.message.content)
    if choice.finish_message is not None and not choice.message.refusal and refusal_of(choice):
        losses.dropped("choices[*].finish_message", "Converse has no field for it")
    body: dict[str, Any] = {
        "metrics": {"latencyMs": 0},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": encode_stop(choice, calls=bool(choice.message.tool_calls)),
        "usage": build_usage(response.usage),
        **_extras(choice),
        **build_metadata(response),
    }
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))


def _extras(choice: Choice) -> dict[str, Any]:
    fields = own(choice).get("additionalModelResponseFields")
    return {} if fields is None else {"additionalModelResponseFields": fields}


REPLY_TIERS = frozenset({"default", "priority", "flex", "reserved"})
"""Tiers that a reply has a word for."""


def build_metadata(response: LLMResponse) -> dict[str, Any]:
    metadata = dict(own(response))
    if response.service_tier in REPLY_TIERS:
        metadata["serviceTier"] = {"type": response.service_tier}
    return metadata


def encode_stop(choice: Choice, *, calls: bool) -> str:
    """The vendor's word. It follows what is there: clients go on by it."""
    native = own(choice).get("finish_reason")
    if isinstance(native, str) and FINISH.get(native, "stop") == choice.finish_reason:
        return native
    if choice.stop_sequence is not None and choice.finish_reason == "stop":
        return "stop_sequence"
    finish = choice.finish_reason or "stop"
    if calls and finish == "stop":
        finish = "tool_calls"
    elif not calls and finish == "tool_calls":
        finish = "stop"
    return _WORDS.get(finish, "end_turn")


def build_usage(usage: Usage | None) -> dict[str, Any]:
    """The three counts are required; an unknown one is written as zero."""
    if usage is None:
        return {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    result: dict[str, Any] = {
        "inputTokens": usage.uncached_input_tokens or 0,
        "outputTokens": usage.output_tokens or 0,
        "totalTokens": usage.total_tokens or 0,
    }
    if usage.cache_read_tokens is not None:
        result["cacheReadInputTokens"] = usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        result["cacheWriteInputTokens"] = usage.cache_write_tokens
    return {**result, **own(usage)}
