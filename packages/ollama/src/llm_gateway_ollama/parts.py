"""Messages, tool calls and tools of Ollama's API, read and written.

Calls need not have ids: most clients leave them out. A call without one gets an id by its place, and a result without
one answers the first call of its tool that has no result yet, or else the first of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.dialects.coverage import drop_block
from llm_gateway_sdk.dialects.fields import as_object, optional_list, optional_object, optional_str, read_object
from llm_gateway_sdk.dialects.fields import required_str as string
from llm_gateway_sdk.dialects.media import sniff
from llm_gateway_sdk.dialects.metadata import keep, own
from llm_gateway_sdk.wire import json

__all__ = ["NAME", "decode_call", "decode_message", "decode_tool", "encode_message", "encode_parts", "encode_tool"]

NAME = "ollama"

_MESSAGE = frozenset({"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"})
_CALL = frozenset({"id", "function", "type"})
_FUNCTION = frozenset({"name", "arguments", "index"})
_TOOL = frozenset({"type", "function"})
_DEFINITION = frozenset({"name", "description", "parameters"})


def decode_message(value: Any, path: str, waiting: list[ToolCallPart]) -> Message:
    """`waiting`: the calls that have no result yet; changed. Raises DialectError."""
    raw = as_object(value, path)
    role = string(raw.get("role"), f"{path}.role")
    parts: list[Part] = []
    if thought := optional_str(raw.get("thinking"), f"{path}.thinking"):
        parts.append(ThinkingPart(thought))
    if text := optional_str(raw.get("content"), f"{path}.content"):
        parts.append(TextPart(text))
    parts.extend(decode_images(raw.get("images"), f"{path}.images"))
    for place, item in enumerate(optional_list(raw.get("tool_calls"), f"{path}.tool_calls")):
        call = decode_call(item, f"{path}.tool_calls[{place}]")
        if not call.id:
            call.id = f"call_{path}_{place}"
            call.provider_metadata.setdefault(NAME, {})["_no_id"] = True
        waiting.append(call)
        parts.append(call)
    if role == "tool":
        parts = [_decode_result(raw, parts, path, waiting)]
    return Message(role, parts, provider_metadata=keep(NAME, raw, _MESSAGE))


def _decode_result(raw: dict[str, Any], parts: list[Part], path: str, waiting: list[ToolCallPart]) -> ToolResultPart:
    name = optional_str(raw.get("tool_name"), f"{path}.tool_name")
    identity = optional_str(raw.get("tool_call_id"), f"{path}.tool_call_id")
    asked = None
    if identity:
        asked = next((call for call in waiting if call.id == identity), None)
    elif waiting:
        asked = next((call for call in waiting if call.name == name), waiting[0])
    if asked is not None:
        waiting.remove(asked)
        identity = asked.id
    result = ToolResultPart(identity or "", parts, name=name)
    absent = {
        note: True for note, field in (("_no_id", "tool_call_id"), ("_no_name", "tool_name")) if not raw.get(field)
    }
    if absent:
        result.provider_metadata = {NAME: absent}
    return result


def decode_images(value: Any, path: str) -> list[Part]:
    """Images are base64, without a label. Raises DialectError."""
    parts: list[Part] = []
    for place, item in enumerate(optional_list(value, path)):
        data = string(item, f"{path}[{place}]")
        head, comma, rest = data.partition(",")
        if comma and head.startswith("data:"):
            data = rest
        parts.append(MediaPart("image", sniff(data), data=data))
    return parts


def decode_call(value: Any, path: str) -> ToolCallPart:
    raw = as_object(value, path)
    function = as_object(raw.get("function"), f"{path}.function")
    arguments = optional_object(function.get("arguments"), f"{path}.function.arguments") or {}
    metadata = keep(NAME, raw, _CALL)
    if extra := keep(NAME, function, _FUNCTION).get(NAME):
        metadata.setdefault(NAME, {})["_function"] = extra
    return ToolCallPart(
        optional_str(raw.get("id"), f"{path}.id") or "",
        string(function.get("name"), f"{path}.function.name"),
        json.dumps(arguments).decode(),
        provider_metadata=metadata,
    )


def decode_tool(value: Any, path: str) -> Tool:
    raw = as_object(value, path)
    function = as_object(raw.get("function"), f"{path}.function")
    metadata = keep(NAME, raw, _TOOL)
    if extra := keep(NAME, function, _DEFINITION).get(NAME):
        metadata.setdefault(NAME, {})["_function"] = extra
    return Tool(
        string(function.get("name"), f"{path}.function.name"),
        optional_str(function.get("description"), f"{path}.function.description"),
        optional_object(function.get("parameters"), f"{path}.function.parameters"),
        provider_metadata=metadata,
    )


def encode_tool(tool: Tool) -> dict[str, Any]:
    notes = tool.provider_metadata.get(NAME, {})
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None or NAME not in tool.provider_metadata:
        function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    function.update(notes.get("_function") or {})
    return {"type": "function", "function": function, **own(NAME, tool)}


def encode_message(message: Message, names: dict[str, str], losses: Losses) -> list[dict[str, Any]]:
    """The message, and before it one for each result that it holds. `names`: of the tools, by the ids of their calls,
    in the order of the calls."""
    results = [part for part in message.content if isinstance(part, ToolResultPart)]
    results.sort(key=lambda result: place_of(result, names))
    rest = [part for part in message.content if not isinstance(part, ToolResultPart)]
    written = [_encode_result(result, names, losses) for result in results]
    if rest or not results:
        role = "system" if message.role == "developer" else message.role
        leading = "system.content[*]" if role == "system" else "messages[*].content[*]"
        written.append({"role": role, **encode_parts(rest, losses, leading)})
    written[-1].update(own(NAME, message))
    return written


def place_of(result: ToolResultPart, names: dict[str, str]) -> int:
    """Results go in the order of their calls: servers that know no ids take them in turn."""
    return list(names).index(result.tool_call_id) if result.tool_call_id in names else -1


def _encode_result(result: ToolResultPart, names: dict[str, str], losses: Losses) -> dict[str, Any]:
    written = {"role": "tool", **encode_parts(result.content, losses, "messages[*].results[*].content[*]")}
    absent = result.provider_metadata.get(NAME, {})
    name = result.name or names.get(result.tool_call_id)
    if name and not absent.get("_no_name"):
        written["tool_name"] = name
    if result.tool_call_id and not absent.get("_no_id"):
        written["tool_call_id"] = result.tool_call_id
    if result.is_error:
        losses.dropped("messages[*].results[*].is_error")
    return written


def encode_parts(parts: Sequence[Part], losses: Losses, path: str, root: str = "messages[*]") -> dict[str, Any]:
    """The fields of a message. `path`: of its parts, and `root` of what holds them, for losses."""
    texts: list[str] = []
    fields: dict[str, Any] = {"content": ""}
    for part in parts:
        match part:
            case TextPart() | RefusalPart():
                texts.append(part.text)
            case ThinkingPart() if part.redacted is None:
                fields["thinking"] = fields.get("thinking", "") + part.text
                if part.signature is not None:
                    losses.dropped(f"{root}.thoughts[*].signature" if root == "messages[*]" else f"{path}.signature")
            case ToolCallPart():
                fields.setdefault("tool_calls", []).append(_encode_call(part, losses, path))
            case MediaPart(text=str(text)):
                losses.converted(path, "document as text")
                texts.append(f"{part.name}\n\n{text}" if part.name else text)
            case MediaPart(kind="image", data=str(data)):
                fields.setdefault("images", []).append(data)
            case MediaPart():
                where = "an address" if part.url is not None else "a file's id"
                losses.dropped(path, f"{part.kind} by {where if part.data is None else 'its bytes'}")
            case OpaquePart():
                if part.dialect != NAME:
                    drop_block(part, losses, path)
            case _:
                losses.dropped(path)
        if part.cache is not None:
            losses.dropped(f"{path}.cache")
    # Blocks of a prompt keep apart; those of an answer are one text that another API has cut, as at its citations.
    fields["content"] = ("\n\n" if root == "messages[*]" else "").join(text for text in texts if text)
    return fields


def _encode_call(part: ToolCallPart, losses: Losses, path: str) -> dict[str, Any]:
    try:
        arguments = read_object(part.arguments or "{}", "the arguments of a call")
    except DialectError:
        arguments = {"input": part.arguments}
        losses.converted(f"{path}.arguments", "not a JSON object; under the key `input`")
    notes = part.provider_metadata.get(NAME, {})
    call: dict[str, Any] = {"function": {"name": part.name, "arguments": arguments, **(notes.get("_function") or {})}}
    if part.id and not notes.get("_no_id"):
        call = {"id": part.id, **call}
    return {**call, **own(NAME, part)}
