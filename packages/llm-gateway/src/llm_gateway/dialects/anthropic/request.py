"""Messages requests ↔ LLMRequest, after docs.anthropic.com/en/api/messages and …/api/migration-2026-10-21.

`encode_request(decode_request(body))` means the same as `body`, with these normalisations: null and empty optional
fields, `is_error: false`, `strict: false`, `stream: false` and `disable_parallel_tool_use: false` are left out;
blank texts are left out; tool results are first in their message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Echo,
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    Reasoning,
    ResponseFormat,
    TextPart,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

from .parts import (
    NAME,
    decode_cache,
    decode_content,
    extras,
    fail,
    own,
    read_list,
    read_object,
    read_optional_string,
    read_string,
)
from .tools import decode_tool, decode_tool_choice
from .versions import VERSION_2023

__all__ = ["AnthropicEcho", "check_portable", "decode_request"]


@dataclass(slots=True)
class AnthropicEcho(Echo):
    api_version: str = VERSION_2023


# Reading.


def decode_request(wire: WireRequest) -> tuple[LLMRequest, AnthropicEcho]:
    """Reads `/v1/messages` and `/v1/messages/count_tokens`. Raises DialectError."""
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"the body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise DialectError("the body is not a JSON object")
    messages, system_is_bare = _decode_system(body.get("system"))
    is_bare = _decode_messages(body.get("messages"), messages) and system_is_bare
    request = LLMRequest(
        read_optional_string(body.get("model"), "model") or "",
        messages,
        [decode_tool(tool, f"tools[{at}]") for at, tool in enumerate(_list(body, "tools"))] if "tools" in body else [],
    )
    for key, value in body.items():
        if value is not None and (field := _FIELDS.get(key)) is not None:
            name, read = field
            setattr(request, name, read(value, key))
    kept = {} if _KNOWN.issuperset(body) else dict(own(extras(body, _KNOWN)))
    if "tool_choice" in body:
        decode_tool_choice(request, body["tool_choice"])
    if not _OUTPUT.isdisjoint(body):
        _decode_output(request, body, kept)
    if (metadata := body.get("metadata")) is not None:
        metadata = read_object(metadata, "metadata")
        request.user = read_optional_string(metadata.get("user_id"), "metadata.user_id")
        if rest := {key: value for key, value in metadata.items() if key != "user_id"}:
            kept["metadata"] = rest
    version: str | None = VERSION_2023
    if _COMMON not in wire.headers.items:
        version = wire.headers.get("anthropic-version")
        if version is not None and version != VERSION_2023:
            kept["_version"] = version
    lines = wire.headers.get_all("anthropic-beta") if "anthropic-beta" in dict(wire.headers.items) else None
    if lines and (betas := [beta for line in lines for beta in _words(line)]):
        kept["_betas"] = betas
    request.provider_metadata = {NAME: kept} if kept else {}
    return request, AnthropicEcho(request.model, request.stream, version or VERSION_2023, is_bare=is_bare)


_COMMON = ("anthropic-version", VERSION_2023)


def _decode_system(value: object) -> tuple[list[Message], bool]:
    """(messages, whether they are bare)."""
    parts, as_string = decode_content(value, "system", from_client=True)
    if not parts:
        return [], True
    return [Message("system", parts, None, {NAME: {"_string": True}} if as_string else {})], as_string


def _decode_messages(value: object, messages: list[Message]) -> bool:
    """Adds them to `messages`, which hold the system prompt. Returns whether all are bare."""
    if value is None:
        return True
    before, is_bare = "", True
    for at, item in enumerate(read_list(value, "messages")):
        # A turn of one side, written in one string and not twice in a row, as most are: what the general way makes of
        # it, in a few steps.
        if type(item) is dict and len(item) == 2:
            role, text = item.get("role"), item.get("content")
            if type(text) is str and text and role in _SIDES and role != before:
                messages.append(Message(role, [TextPart(text, [])], None, {NAME: {"_string": True}}))
                before = role
                continue
        is_bare = False
        source = read_object(item, f"messages[{at}]")
        role = read_string(source.get("role"), f"messages[{at}].role")
        if role not in ("user", "assistant", "system"):
            # A role of the vendor's that is not known here.
            messages.append(Message("opaque", [OpaquePart(dialect=NAME, data=source)]))
            continue
        parts, as_string = decode_content(source.get("content"), f"messages[{at}].content", from_client=True)
        kept = dict(own(extras(source, _MESSAGE_KEYS)))
        if as_string:
            kept["_string"] = True
        if role in ("system", before):
            # The client chose a separate turn: neither in `system` nor as a part of the turn before.
            kept["_turn"] = True
        before = role
        messages.append(Message(role, parts, provider_metadata={NAME: kept} if kept else {}))
    return is_bare


_SIDES = ("user", "assistant")


def _decode_output(request: LLMRequest, body: dict[str, Any], kept: dict[str, Any]) -> None:
    """`thinking`, `output_config` and the latter's forerunner `output_format`."""
    reasoning = Reasoning()
    if (thinking := body.get("thinking")) is not None:
        source = read_object(thinking, "thinking")
        reasoning.mode = read_string(source.get("type"), "thinking.type")
        reasoning.enabled = reasoning.mode != "disabled"
        budget = source.get("budget_tokens")
        if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool)):
            raise fail("thinking.budget_tokens", "an integer", budget)
        reasoning.budget_tokens = budget
        reasoning.summary = read_optional_string(source.get("display"), "thinking.display")
        reasoning.provider_metadata = extras(source, _THINKING_KEYS)
    if (config := body.get("output_config")) is not None:
        source = read_object(config, "output_config")
        reasoning.effort = read_optional_string(source.get("effort"), "output_config.effort")
        if reasoning.effort is not None and reasoning.mode is None:
            reasoning.provider_metadata = {NAME: {"_effort": True}}
        if (format := source.get("format")) is not None:
            request.response_format = _decode_format(format, "output_config.format")
        if rest := {key: value for key, value in source.items() if key not in ("effort", "format")}:
            kept["output_config"] = rest
    if (format := body.get("output_format")) is not None:
        request.response_format = _decode_format(format, "output_format")
        request.response_format.provider_metadata = {
            NAME: {**own(request.response_format.provider_metadata), "_output_format": True}
        }
    if reasoning != Reasoning():
        request.reasoning = reasoning


def _decode_format(value: object, path: str) -> ResponseFormat:
    source = read_object(value, path)
    if source.get("type") != "json_schema":
        return ResponseFormat("text", provider_metadata={NAME: {"format": source}})
    schema = read_object(source.get("schema"), f"{path}.schema")
    return ResponseFormat(
        "json_schema", schema, provider_metadata={NAME: {**own(extras(source, _FORMAT_KEYS)), "_own": True}}
    )


def _list(body: dict[str, Any], key: str) -> list[Any]:
    value = body.get(key)
    return [] if value is None else read_list(value, key)


def _integer(value: Any, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise fail(key, "an integer", value)
    return value


def _number(value: Any, key: str) -> float:
    if type(value) is not float and type(value) is not int:
        raise fail(key, "a number", value)
    number: float = value
    return number


def _boolean(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise fail(key, "a boolean", value)
    return value


def _strings(value: Any, key: str) -> list[str]:
    return [read_string(word, f"{key}[{at}]") for at, word in enumerate(read_list(value, key))]


_FIELDS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "max_tokens": ("max_tokens", _integer),
    "temperature": ("temperature", _number),
    "top_p": ("top_p", _number),
    "top_k": ("top_k", _integer),
    "stop_sequences": ("stop", _strings),
    "service_tier": ("service_tier", read_string),
    "cache_control": ("cache", decode_cache),
    "stream": ("stream", _boolean),
}
"""Fields of the body that are each one field of the request, and what reads them."""
_OUTPUT = frozenset({"thinking", "output_config", "output_format"})


def _words(line: str) -> list[str]:
    return [word for part in line.split(",") if (word := part.strip())]


_KNOWN = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "max_tokens", "temperature", "top_p", "top_k",
        "stop_sequences", "service_tier", "cache_control", "stream", "metadata", "thinking", "output_config",
        "output_format",
    }
)  # fmt: skip
_MESSAGE_KEYS = frozenset({"role", "content"})
_THINKING_KEYS = frozenset({"type", "budget_tokens", "display"})
_FORMAT_KEYS = frozenset({"type", "schema"})


def check_portable(request: LLMRequest, losses: Losses) -> None:
    """Lists what the texts within documents have of their own: another dialect gets them as one text."""
    for message in request.messages:
        for part in message.content:
            if type(part) is MediaPart or type(part) is ToolResultPart:
                _list_block_fields(part, losses)


def _list_block_fields(part: Part, losses: Losses, path: str = "messages[*].content[*]") -> None:
    if type(part) is ToolResultPart:
        for inner in part.content:
            _list_block_fields(inner, losses, "messages[*].results[*].content[*]")
    if type(part) is not MediaPart or not part.provider_metadata:
        return
    kept = own(part.provider_metadata)
    blocks, holder = kept.get("_blocks"), "" if kept.get("_search_result") else "source."
    for block in blocks if isinstance(blocks, list) else ():
        for key in block:
            if key not in ("type", "text"):
                losses.dropped(f"{path}.{holder}content[*].{key}")
