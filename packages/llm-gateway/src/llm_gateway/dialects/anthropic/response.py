"""Messages replies ↔ LLMResponse, after docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk import (
    UNSIGNED,
    Choice,
    DialectError,
    Echo,
    Headers,
    LLMResponse,
    Losses,
    Message,
    Mint,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
    WireReply,
    wrap_signature,
)
from llm_gateway_sdk.dialects.answer import join_choices
from llm_gateway_sdk.dialects.reply_coverage import drop_part
from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.response import refusal_of
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire import json

from .errors import error_of_body
from .iterations import add_counts, answered_by, beyond
from .parts import (
    CARRIER_AFTER,
    CARRIER_BEFORE,
    NAME,
    Block,
    decode_content,
    encode_citation,
    encode_extras,
    encode_input,
    encode_own,
    extras,
    fail,
    is_bare_text,
    own,
)

__all__ = [
    "KNOWN",
    "REPLY_TIERS",
    "carrier_after",
    "carrier_before",
    "decode_count",
    "decode_response",
    "decode_usage",
    "encode_citations",
    "encode_part",
    "encode_response",
    "encode_thinking",
    "encode_usage",
    "read_stop",
    "refusal_details",
    "stop_reason",
    "string_or_empty",
]

# Reading.


def decode_response(wire: WireReply, mint: Mint) -> LLMResponse:
    """Raises DialectError."""
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the reply is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise DialectError("the reply is not a JSON object")
    if body.get("content") is None and (failure := error_of_body(body)) is not None:
        return LLMResponse(error=failure)
    if body.get("content") is None:
        raise DialectError("expected a list of blocks, found nothing", path="content")
    parts, _ = decode_content(body.get("content"), "content", from_client=False)
    for index, part in enumerate(parts):
        part.index = index
    choice = Choice(0, Message("assistant", parts))
    read_stop(choice, body)
    usage = body.get("usage")
    response = LLMResponse(
        string_or_empty(body.get("id")) or mint.id("msg_"),
        string_or_empty(body.get("model")),
        None,
        [choice],
        decode_usage(usage) if isinstance(usage, dict) else None,
    )
    response.final = True
    if not KNOWN.issuperset(body):
        response.provider_metadata = extras(body, KNOWN)
    if isinstance(usage, dict) and isinstance(tier := usage.get("service_tier"), str):
        response.service_tier = tier
    return response


def read_stop(choice: Choice, source: Mapping[str, Any]) -> None:
    """`stop_reason` and `stop_sequence`, which are in a reply and in a `message_delta` alike."""
    reason = source.get("stop_reason")
    if not isinstance(reason, str):
        return
    choice.raw_finish_reason = reason
    choice.finish_reason = _REASONS.get(reason, "stop")
    if reason not in _DERIVABLE:
        choice.provider_metadata = {NAME: {"finish_reason": reason}}
    if reason == "refusal" and isinstance(details := source.get("stop_details"), dict):
        words = details.get("explanation") or details.get("category")
        choice.finish_message = words if isinstance(words, str) else None
    sequence = source.get("stop_sequence")
    if isinstance(sequence, str):
        choice.stop_sequence = sequence


def decode_usage(source: Mapping[str, Any]) -> Usage:
    """`input_tokens` here includes what a cache gave and took; the vendor's does not."""
    read, written = count(source.get("cache_read_input_tokens")), count(source.get("cache_creation_input_tokens"))
    fresh = count(source.get("input_tokens"))
    details = source.get("output_tokens_details")
    usage = Usage(
        None if fresh is None else fresh + (read or 0) + (written or 0),
        count(source.get("output_tokens")),
        read,
        written,
        count(details.get("thinking_tokens")) if isinstance(details, dict) else None,
    )
    if _COUNTS.issuperset(source):
        return usage
    rest = {key: value for key, value in source.items() if key not in _COUNTS and value is not None}
    if rest:
        usage.provider_metadata = {NAME: rest}
        _add_charges(usage, rest)
        if "iterations" in rest:
            usage.answered_by = answered_by(rest)
            if (more := beyond(rest)) is not None:
                add_counts(usage, more)
    return usage


def _add_charges(usage: Usage, rest: Mapping[str, Any]) -> None:
    """What prices depend on. Fetching pages costs no more than its tokens."""
    kept = rest.get("cache_creation")
    if isinstance(kept, dict):
        usage.cache_write_1h_tokens = count(kept.get("ephemeral_1h_input_tokens"))
    tools = rest.get("server_tool_use")
    if isinstance(tools, dict) and (searches := count(tools.get("web_search_requests"))):
        usage.tool_calls = {"web_search": searches}
    tier = rest.get("service_tier")
    if rest.get("speed") == "fast":
        usage.service_tier = "fast"
    elif isinstance(tier, str):
        # The vendor's priority tier is capacity that is paid for in advance.
        usage.service_tier = "standard" if tier == "priority" else tier


def string_or_empty(value: object) -> str:
    return value if isinstance(value, str) else ""


_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}
# What `stop_reason` writes again from the canonical reason alone.
_DERIVABLE = frozenset({"end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal", "pause_turn"})
KNOWN = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})
_COUNTS = frozenset({"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"})


# Writing.


def encode_response(response: LLMResponse, echo: Echo, mint: Mint, losses: Losses) -> WireReply:
    choice = join_choices(response.choices)
    content: list[Block] = []
    calls, refusal = False, ""
    for part in choice.message.content:
        content += encode_part(part, "choices[*].message.content[*]", mint, losses)
        if isinstance(part, ToolCallPart):
            calls = True
        elif isinstance(part, RefusalPart):
            refusal += part.text
    body: Block = {
        "id": response.id or mint.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": response.model or echo.model,
        "content": content,
        "stop_reason": stop_reason(choice, calls=calls),
        "stop_sequence": choice.stop_sequence,
        "usage": encode_usage(response.usage, response.service_tier),
    }
    encode_extras(body, response.provider_metadata)
    if refusal:
        body["stop_reason"] = "refusal"
    if words := refusal or (refusal_of(choice) if choice.finish_message is not None else ""):
        body.setdefault("stop_details", refusal_details(words))
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))


def encode_part(part: Part, path: str, mint: Mint, losses: Losses) -> list[Block]:
    """The part's blocks: none where the client's format cannot hold it, two where a signature needs a separate one."""
    if is_bare_text(part):
        return [{"type": "text", "text": part.text}] if part.text else []
    match part:
        case TextPart() | RefusalPart():
            block: Block = {"type": "text", "text": part.text}
            if isinstance(part, TextPart) and (citations := encode_citations(part, path, losses)):
                block["citations"] = citations
            elif not part.text:
                return carrier_after(part)
            return [encode_extras(block, part.provider_metadata), *carrier_after(part)]
        case ThinkingPart():
            return [encode_thinking(part)]
        case ToolCallPart():
            block = {"type": "tool_use", "id": part.id or mint.id("toolu_"), "name": part.name}
            block["input"] = encode_input(part, losses, path)
            return [*carrier_before(part), encode_extras(block, part.provider_metadata)]
        case OpaquePart() if part.dialect == NAME:
            return [encode_own(part)] if part.position == "block" else []
        case _:
            drop_part(part, losses)
            return []


def encode_thinking(part: ThinkingPart) -> Block:
    if part.redacted is not None:
        block: Block = {"type": "redacted_thinking", "data": wrap_signature(part.redacted, part.signed_by, NAME)}
    else:
        block = {"type": "thinking", "thinking": part.text, "signature": encode_signature(part)}
    return encode_extras(block, part.provider_metadata)


def encode_signature(part: ThinkingPart) -> str:
    """The signature as a client of this dialect keeps it; a mark on thinking of other dialects that has none."""
    if part.signature:
        return wrap_signature(part.signature, part.signed_by, NAME)
    return "" if part.signed_by == NAME else wrap_signature("", UNSIGNED, NAME)


def encode_citations(part: TextPart, path: str, losses: Losses) -> list[Block]:
    citations: list[Block] = []
    for citation in part.citations:
        block = encode_citation(citation)
        if block is None and citation.url is not None:
            block = {
                "type": "web_search_result_location",
                "url": citation.url,
                "title": citation.title,
                "cited_text": citation.cited_text or "",
                "encrypted_index": "",
            }
        if block is None:
            losses.dropped(f"{path}.citations", citation.kind)
        else:
            citations.append(block)
    return citations


def carrier_before(part: ToolCallPart) -> list[Block]:
    """The thinking block that carries the signature of a call of another dialect."""
    return _carrier(part, CARRIER_BEFORE)


def carrier_after(part: Part) -> list[Block]:
    return _carrier(part, CARRIER_AFTER)


def _carrier(part: Part, form: str) -> list[Block]:
    if part.signature is None:
        return []
    signature = wrap_signature(form + part.signature, part.signed_by or "unknown", NAME)
    return [{"type": "thinking", "thinking": "", "signature": signature}]


def stop_reason(choice: Choice, *, calls: bool) -> str:
    """The vendor's word. A message that calls tools and did not stop for another reason ends in `tool_use`; one that
    calls none does not, whatever the provider sent: clients would wait for a call that is not there."""
    raw = own(choice.provider_metadata).get("finish_reason")
    if isinstance(raw, str):
        return raw
    match choice.finish_reason:
        case "length":
            return "max_tokens"
        case "content_filter" | "refusal":
            return "refusal"
        case "pause":
            return "pause_turn"
    if choice.stop_sequence is not None:
        return "stop_sequence"
    return "tool_use" if calls else "end_turn"


def refusal_details(text: str) -> Block:
    return {"type": "refusal", "category": None, "explanation": text}


def encode_usage(usage: Usage | None, service_tier: str | None = None) -> Block:
    """The format wants numbers for the first and the last; where they are not known they are zero."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    kept = usage.provider_metadata.get(NAME)
    if kept and "iterations" in kept and (more := beyond(kept)) is not None:
        usage = replace(usage)
        add_counts(usage, more, -1)
    block: Block = {
        "input_tokens": usage.uncached_input_tokens or 0,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens or 0,
    }
    encode_extras(block, usage.provider_metadata)
    if usage.reasoning_tokens is not None:
        block.setdefault("output_tokens_details", {"thinking_tokens": usage.reasoning_tokens})
    if service_tier is not None and (tier := _TIERS.get(service_tier)) is not None:
        block.setdefault("service_tier", tier)
    return block


def decode_count(wire: WireReply) -> int:
    """`input_tokens` of a count. Raises DialectError."""
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the count is not valid JSON: {error}") from None
    counted = count(body.get("input_tokens")) if isinstance(body, dict) else None
    if counted is None:
        raise fail("input_tokens", "an integer", body.get("input_tokens") if isinstance(body, dict) else body)
    return counted


_TIERS = {
    "standard": "standard",
    "default": "standard",
    "priority": "priority",
    "batch": "batch",
    "scale": "priority",
}
REPLY_TIERS = frozenset(_TIERS)
"""Tiers that a reply has a word for."""
