"""Tools, the choice among them, and calls of them, in requests and replies.

OpenAI API reference, "Create chat completion": `tools`, `tool_choice`, `tool_calls`, and the older `functions`,
`function_call`, which are marked in the form so that they are written as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk.conventions import custom_tool_parameters, wrap_custom_input
from llm_gateway_sdk.dialects.coverage import drop_tool
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import ToolCallPart
from llm_gateway_sdk.request import OpaqueTool, Tool, ToolChoice, ToolLike
from llm_gateway_sdk.wire import json

from . import other_forms
from .fields import (
    NAME,
    as_list,
    as_object,
    describe,
    extras,
    form_of,
    metadata,
    optional_bool,
    optional_list,
    optional_object,
    optional_str,
    own,
    required_str,
)
from .parts import read_extra_content, write_extra_content

__all__ = [
    "decode_call",
    "decode_function_call",
    "decode_tool_choice",
    "decode_tools",
    "encode_call",
    "encode_tool_choice",
    "encode_tools",
    "is_legacy",
]

LEGACY = {"legacy": True}


def is_legacy(node_metadata: dict[str, dict[str, Any]]) -> bool:
    """Whether it was stated by `functions`, `function_call` or a message of role `function`."""
    return bool(form_of(node_metadata).get("legacy"))


# Definitions


def decode_tools(body: dict[str, Any]) -> list[ToolLike]:
    tools: list[ToolLike] = []
    if body.get("tools") is not None:
        for place, wire in enumerate(as_list(body["tools"], "tools")):
            path = f"tools[{place}]"
            tools.append(_decode_tool(as_object(wire, path), path))
    if body.get("functions") is not None:
        for place, wire in enumerate(as_list(body["functions"], "functions")):
            path = f"functions[{place}]"
            tool = _decode_function(as_object(wire, path), path)
            tool.provider_metadata = metadata(own(tool.provider_metadata), LEGACY)
            tools.append(tool)
    return tools


def _decode_tool(wire: dict[str, Any], path: str) -> ToolLike:
    kind = wire.get("type")
    tool: ToolLike
    if kind == "custom" and isinstance(wire.get("custom"), dict):
        tool = _decode_custom(wire["custom"], f"{path}.custom")
        known = _CUSTOM_KEYS
    elif kind in ("function", None) and isinstance(wire.get("function"), dict):
        tool = _decode_function(wire["function"], f"{path}.function")
        known = _FUNCTION_KEYS
    elif kind in ("function", "custom") and "parameters" not in wire and other_forms.is_tool(wire):
        return other_forms.decode_tool(wire, path)
    elif kind in ("function", "custom") and wire.get(kind) is None and isinstance(wire.get("name"), str):
        return _decode_tool(other_forms.flat_tool(wire, kind), path)
    elif kind in ("function", "custom"):
        raise DialectError(f"expected an object, found {describe(wire.get(kind))}", path=f"{path}.{kind}")
    elif kind is None and other_forms.is_tool(wire):
        return other_forms.decode_tool(wire, path)
    else:
        return OpaqueTool(NAME, wire, name=kind if isinstance(kind, str) else None)
    rest = extras(wire, known)
    if rest:
        tool.provider_metadata = metadata(own(tool.provider_metadata), {"beside": rest})
    return tool


def _decode_function(wire: dict[str, Any], path: str) -> Tool:
    tool = Tool(
        required_str(wire.get("name"), f"{path}.name"),
        optional_str(wire.get("description"), f"{path}.description"),
        optional_object(wire.get("parameters"), f"{path}.parameters"),
    )
    if "strict" in wire:
        tool.strict = optional_bool(wire["strict"], f"{path}.strict")
    rest = extras(wire, _FUNCTION_FIELDS)
    if rest:
        tool.provider_metadata = {NAME: rest}
    return tool


def _decode_custom(wire: dict[str, Any], path: str) -> Tool:
    form = optional_object(wire.get("format"), f"{path}.format")
    if form is not None and isinstance(form.get("grammar"), dict):
        form = {"type": "grammar", **form["grammar"]}
    return Tool(
        name=required_str(wire.get("name"), f"{path}.name"),
        description=optional_str(wire.get("description"), f"{path}.description"),
        kind="custom",
        format=form,
        provider_metadata=metadata(extras(wire, _CUSTOM_FIELDS)),
    )


_FUNCTION_KEYS = frozenset({"type", "function"})
_FUNCTION_FIELDS = frozenset({"name", "description", "parameters", "strict"})
_CUSTOM_KEYS = frozenset({"type", "custom"})
_CUSTOM_FIELDS = frozenset({"name", "description", "format"})


def encode_tools(tools: list[ToolLike], body: dict[str, Any], losses: Losses, quirks: Mapping[str, Any]) -> None:
    """Adds `tools` and `functions` to a request body."""
    current: list[dict[str, Any]] = []
    legacy: list[dict[str, Any]] = []
    path = "tools[*]"
    for tool in tools:
        if isinstance(tool, OpaqueTool):
            if tool.dialect == NAME:
                current.append(tool.data)
            else:
                drop_tool(tool, losses)
            continue
        kept = tool.provider_metadata
        if kept and is_legacy(kept):
            legacy.append(_encode_function(tool, tool.parameters))
            continue
        if tool.kind != "custom":
            wire: dict[str, Any] = {"type": "function", "function": _encode_function(tool, tool.parameters)}
        elif quirks.get("no_custom_tools"):
            losses.converted(path, "custom tool as function")
            parameters = custom_tool_parameters(tool.format)
            wire = {"type": "function", "function": _encode_function(tool, parameters)}
        else:
            wire = _encode_custom(tool)
        if tool.cache is not None:
            if quirks.get("cache") == "cache_control":
                wire["cache_control"] = {"type": "ephemeral", **({"ttl": tool.cache.ttl} if tool.cache.ttl else {})}
            else:
                losses.dropped(f"{path}.cache")
        if kept:
            wire.update(form_of(kept).get("beside") or {})
        current.append(wire)
    if current:
        body["tools"] = current
    if legacy:
        body["functions"] = legacy


def _encode_function(tool: Tool, parameters: dict[str, Any] | None) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if parameters is not None:
        function["parameters"] = parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    if tool.provider_metadata:
        function.update(own(tool.provider_metadata))
    return function


def _encode_custom(tool: Tool) -> dict[str, Any]:
    custom: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        custom["description"] = tool.description
    if tool.format is not None:
        form = tool.format
        if form.get("type") == "grammar":
            form = {"type": "grammar", "grammar": {key: value for key, value in form.items() if key != "type"}}
        custom["format"] = form
    return {"type": "custom", "custom": {**custom, **own(tool.provider_metadata)}}


# Choice


def decode_tool_choice(body: dict[str, Any]) -> ToolChoice | None:
    wire = body.get("tool_choice")
    if wire is not None:
        return _decode_choice(wire)
    legacy = body.get("function_call")
    if legacy is None:
        return None
    if isinstance(legacy, dict):
        name = required_str(legacy.get("name"), "function_call.name")
        return ToolChoice("tool", name=name, provider_metadata=metadata({}, LEGACY))
    if legacy not in ("auto", "none"):
        raise DialectError("expected 'auto', 'none' or an object with a name", path="function_call")
    return ToolChoice(legacy, provider_metadata=metadata({}, LEGACY))


def _decode_choice(wire: Any) -> ToolChoice:
    if isinstance(wire, str):
        match wire:
            case "auto" | "none" | "required":
                return ToolChoice(wire)
            case "any":  # Mistral's word
                return ToolChoice("required", provider_metadata=metadata({}, {"word": "any"}))
            case _:
                return ToolChoice("opaque", provider_metadata={NAME: {"tool_choice": wire}})
    if not isinstance(wire, dict):
        raise DialectError(f"expected a string or an object, found {describe(wire)}", path="tool_choice")
    kind = wire.get("type")
    if kind in ("function", "custom") or (kind is None and isinstance(wire.get("function"), dict)):
        named = wire.get(kind or "function")
        name = named.get("name") if isinstance(named, dict) else wire.get("name")
        return ToolChoice(
            "tool",
            name=required_str(name, f"tool_choice.{kind or 'function'}.name"),
            kind="custom" if kind == "custom" else "function",
        )
    allowed = wire.get("allowed_tools")
    if kind == "allowed_tools" and isinstance(allowed, dict):
        return _decode_allowed(allowed)
    return other_forms.decode_choice(wire) or ToolChoice("opaque", provider_metadata={NAME: {"tool_choice": wire}})


def _decode_allowed(wire: dict[str, Any]) -> ToolChoice:
    names, kinds = [], {}
    for place, tool in enumerate(optional_list(wire.get("tools"), "tool_choice.allowed_tools.tools")):
        path = f"tool_choice.allowed_tools.tools[{place}]"
        tool = as_object(tool, path)
        kind = tool.get("type") or "function"
        named = tool.get(kind) if isinstance(kind, str) else None
        name = required_str(named.get("name") if isinstance(named, dict) else tool.get("name"), f"{path}.name")
        names.append(name)
        if kind != "function":
            kinds[name] = kind
    return ToolChoice(
        "allowed",
        names=names,
        allowed_mode="required" if wire.get("mode") == "required" else "auto",
        provider_metadata=metadata({}, {"kinds": kinds} if kinds else None),
    )


def encode_tool_choice(
    choice: ToolChoice, tools: list[ToolLike], losses: Losses, quirks: Mapping[str, Any]
) -> dict[str, Any]:
    """The `tool_choice`, or `function_call`, of a request body."""
    if is_legacy(choice.provider_metadata):
        return {"function_call": {"name": choice.name} if choice.mode == "tool" else choice.mode}
    kinds = {tool.name: tool.kind for tool in tools if isinstance(tool, Tool)}
    if quirks.get("no_custom_tools"):
        kinds = dict.fromkeys(kinds, "function")

    def named(name: str) -> dict[str, Any]:
        kind = kinds.get(name, "function")
        return {"type": kind, kind: {"name": name}}

    match choice.mode:
        case "auto" | "none":
            return {"tool_choice": choice.mode}
        case "required":
            word = form_of(choice.provider_metadata).get("word") or quirks.get("required_word") or "required"
            return {"tool_choice": word}
        case "tool":
            return {"tool_choice": named(choice.name or "")}
        case "allowed":
            if quirks.get("no_allowed_tools"):
                losses.converted("tool_choice.allowed_tools", "all tools allowed" if choice.names else "")
                return {"tool_choice": choice.allowed_mode}
            allowed = {"mode": choice.allowed_mode, "tools": [named(name) for name in choice.names]}
            return {"tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}}
        case _:
            kept = own(choice.provider_metadata).get("tool_choice")
            if kept is None:
                losses.dropped("tool_choice")
                return {}
            return {"tool_choice": kept}


# Calls


def decode_call(wire: Any, path: str) -> ToolCallPart:
    """One of `tool_calls`, whole. A missing id stays empty; who decodes knows where to take one from."""
    wire = as_object(wire, path)
    kind = wire.get("type")
    custom = wire.get("custom")
    if kind == "custom" or (kind is None and isinstance(custom, dict)):
        custom = as_object(custom, f"{path}.custom")
        name = required_str(custom.get("name"), f"{path}.custom.name")
        arguments = optional_str(custom.get("input"), f"{path}.custom.input") or ""
        part = ToolCallPart(_id_of(wire, path), name, arguments, kind="custom")
    else:
        function = as_object(wire.get("function"), f"{path}.function")
        name = required_str(function.get("name"), f"{path}.function.name")
        part = ToolCallPart(_id_of(wire, path), name, arguments_text(function.get("arguments")))
    read_extra_content(wire, part)
    rest = extras(wire, _CALL_FIELDS)
    if rest:
        part.provider_metadata = {NAME: {**part.provider_metadata.get(NAME, {}), **rest}}
    return part


def decode_function_call(wire: Any, path: str) -> ToolCallPart:
    """The older `function_call`, which has no id."""
    wire = as_object(wire, path)
    name = required_str(wire.get("name"), f"{path}.name")
    return ToolCallPart("", name, arguments_text(wire.get("arguments")), provider_metadata=metadata({}, LEGACY))


def arguments_text(value: Any) -> str:
    """Arguments as JSON text; some servers give the object itself."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps_text(value)


def _id_of(wire: dict[str, Any], path: str) -> str:
    value = wire.get("id")
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else optional_str(value, f"{path}.id") or ""


_CALL_FIELDS = frozenset({"id", "type", "function", "custom", "index", "extra_content"})


def encode_call(part: ToolCallPart, *, wrapped: bool, custom: bool) -> dict[str, Any]:
    """One of `tool_calls`. `custom`: the receiver knows custom tools; `wrapped`: it keeps others' signatures."""
    if part.kind == "custom" and custom:
        wire: dict[str, Any] = {"id": part.id, "type": "custom", "custom": {"name": part.name, "input": part.arguments}}
    else:
        arguments = wrap_custom_input(part.arguments) if part.kind == "custom" else part.arguments or "{}"
        wire = {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": arguments}}
    if part.provider_metadata:
        for key, value in own(part.provider_metadata).items():
            if key != "extra_content":
                wire[key] = value
    extra = write_extra_content(part, wrapped=wrapped)
    if extra is not None:
        wire["extra_content"] = extra
    return wire
