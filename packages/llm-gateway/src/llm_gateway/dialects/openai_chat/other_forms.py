"""Blocks and tools of Anthropic's in a Chat body, as Cursor and others send them for Claude: read as what they are.

Anthropic API reference, "Messages": `tool_use`, `tool_result`, `image` and `document` blocks, `input_schema` of tools,
`tool_choice`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_gateway_sdk.parts import CacheHint, MediaPart, Part, ToolCallPart, ToolResultPart
from llm_gateway_sdk.request import Tool, ToolChoice
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.media import split_data_url

from .fields import as_object, metadata, optional_object, optional_str, required_str

__all__ = [
    "decode_choice",
    "decode_document",
    "decode_image",
    "decode_tool",
    "decode_tool_result",
    "decode_tool_use",
    "flat_tool",
    "is_tool",
]

Content = Callable[[Any, str], tuple[list[Part], dict[str, Any]]]


# Blocks.


def decode_tool_use(wire: dict[str, Any], path: str) -> Part:
    arguments = wire.get("input")
    text = arguments if isinstance(arguments, str) else json.dumps_text(arguments if arguments is not None else {})
    name = required_str(wire.get("name"), f"{path}.name")
    return ToolCallPart(optional_str(wire.get("id"), f"{path}.id") or "", name, text)


def decode_tool_result(wire: dict[str, Any], path: str, content: Content) -> Part:
    """`content` reads what is within the result."""
    parts, _ = content(wire.get("content"), f"{path}.content")
    identity = optional_str(wire.get("tool_use_id"), f"{path}.tool_use_id") or ""
    return ToolResultPart(identity, parts, bool(wire.get("is_error")))


def decode_image(wire: dict[str, Any], path: str) -> Part:
    return _with_source(MediaPart("image"), wire, path)


def decode_document(wire: dict[str, Any], path: str) -> Part:
    return _with_source(MediaPart("document", name=optional_str(wire.get("title"), f"{path}.title")), wire, path)


def _with_source(part: MediaPart, wire: dict[str, Any], path: str) -> Part:
    path = f"{path}.source"
    source = as_object(wire.get("source"), path)
    match source.get("type"):
        case "url":
            url = required_str(source.get("url"), f"{path}.url")
            inline = split_data_url(url)
            if inline is None:
                part.url = url
            else:
                part.media_type, part.data = inline
        case "file":
            part.file_id = required_str(source.get("file_id"), f"{path}.file_id")
        case "text":
            part.text = required_str(source.get("data"), f"{path}.data")
        case _:
            part.media_type = optional_str(source.get("media_type"), f"{path}.media_type")
            part.data = required_str(source.get("data"), f"{path}.data")
    return part


# Tools.


def is_tool(wire: dict[str, Any]) -> bool:
    return "input_schema" in wire and "name" in wire


def decode_tool(wire: dict[str, Any], path: str) -> Tool:
    tool = Tool(
        required_str(wire.get("name"), f"{path}.name"),
        optional_str(wire.get("description"), f"{path}.description"),
        optional_object(wire.get("input_schema"), f"{path}.input_schema"),
    )
    if isinstance(wire.get("strict"), bool):
        tool.strict = wire["strict"]
    hint = optional_object(wire.get("cache_control"), f"{path}.cache_control")
    if hint is not None:
        ttl = optional_str(hint.get("ttl"), f"{path}.cache_control.ttl")
        tool.cache = CacheHint(ttl, provider_metadata=metadata({}, {"field": "cache_control"}))
    return tool


def flat_tool(wire: dict[str, Any], kind: str) -> dict[str, Any]:
    """A tool in the form of Responses, name and parameters next to the type, in Chat's own."""
    return {"type": kind, kind: {key: value for key, value in wire.items() if key != "type"}}


_CHOICES: dict[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "any": ToolChoice("required"),
    "none": ToolChoice("none"),
}


def decode_choice(wire: dict[str, Any]) -> ToolChoice | None:
    """`{"type": "any"}` and the like; None for what is not Anthropic's."""
    kind = wire.get("type")
    if kind == "tool":
        return ToolChoice("tool", required_str(wire.get("name"), "tool_choice.name"))
    known = _CHOICES.get(kind) if isinstance(kind, str) else None
    return None if known is None else ToolChoice(known.mode)
