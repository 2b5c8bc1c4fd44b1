"""Tools and the choice among them, read and written."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    LLMRequest,
    Losses,
    OpaqueTool,
    Tool,
    ToolChoice,
)
from llm_gateway_sdk.conventions import custom_tool_parameters
from llm_gateway_sdk.dialects.coverage import drop_tool

from .parts import (
    NAME,
    Block,
    decode_cache,
    encode_extras,
    extras,
    fail,
    own,
    read_object,
    read_optional_string,
    read_string,
    with_cache,
)

__all__ = ["ToolsEncoder", "decode_tool", "decode_tool_choice"]

_TOOL_KEYS = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})


def decode_tool(value: object, path: str) -> Tool | OpaqueTool:
    source = read_object(value, path)
    kind, name = source.get("type"), source.get("name")
    if kind not in (None, "custom"):
        return OpaqueTool(NAME, source, name if isinstance(name, str) else None)
    schema, strict = source.get("input_schema"), source.get("strict")
    tool = Tool(
        read_string(name, f"{path}.name"),
        read_optional_string(source.get("description"), f"{path}.description"),
        None if schema is None else read_object(schema, f"{path}.input_schema"),
        strict if isinstance(strict, bool) else None,
    )
    if "cache_control" in source:
        tool.cache = decode_cache(source["cache_control"], f"{path}.cache_control")
    if not _TOOL_KEYS.issuperset(source):
        tool.provider_metadata = extras(source, _TOOL_KEYS)
    if kind == "custom":
        tool.provider_metadata = {NAME: {**own(tool.provider_metadata), "_custom": True}}
    return tool


def decode_tool_choice(request: LLMRequest, value: object) -> None:
    if value is None:
        return
    source = read_object(value, "tool_choice")
    match source.get("type"):
        case "auto" | "none" as mode:
            request.tool_choice = ToolChoice(mode)
        case "any":
            request.tool_choice = ToolChoice("required")
        case "tool":
            request.tool_choice = ToolChoice("tool", read_string(source.get("name"), "tool_choice.name"))
        case str():
            request.tool_choice = ToolChoice("opaque", provider_metadata={NAME: {"tool_choice": source}})
            return
        case kind:
            raise fail("tool_choice.type", "a string", kind)
    single = source.get("disable_parallel_tool_use")
    if isinstance(single, bool):
        request.parallel_tool_calls = not single


class ToolsEncoder:
    """Writes the tools of a request and the choice among them."""

    def __init__(self, request: LLMRequest, losses: Losses) -> None:
        self.request = request
        self.losses = losses
        self.own = own(request.provider_metadata)

    def write(self, body: dict[str, Any]) -> None:
        """Puts `tools` and `tool_choice` into `body`."""
        request = self.request
        choice = request.tool_choice
        allowed = set(choice.names) if choice is not None and choice.mode == "allowed" else None
        tools: list[Block] = []
        for at, tool in enumerate(request.tools):
            if allowed is not None and tool.name not in allowed:
                self.losses.converted("tool_choice", "only the allowed tools are offered")
            elif isinstance(tool, Tool):
                tools.append(self._tool(tool, f"tools[{at}]"))
            elif tool.dialect == NAME:
                tools.append(tool.data)
            else:
                drop_tool(tool, self.losses)
        if tools:
            body["tools"] = tools
        if (tools or "mcp_servers" in self.own) and (encoded := self._tool_choice(choice)) is not None:
            body["tool_choice"] = encoded
        elif choice is not None and choice.mode in ("required", "tool", "allowed") and not tools:
            self.losses.dropped("tool_choice", "without tools")

    def _tool(self, tool: Tool, path: str) -> Block:
        if tool.kind == "custom":
            self.losses.converted(path, "a custom tool as a function with one parameter, `input`")
            schema = custom_tool_parameters(tool.format)
        else:
            schema = tool.parameters or {"type": "object", "properties": {}}
            if "type" not in schema:
                schema = {"type": "object", **schema}
        block: Block = {"name": tool.name}
        if own(tool.provider_metadata).get("_custom"):
            block["type"] = "custom"
        if tool.description is not None:
            block["description"] = tool.description
        block["input_schema"] = schema
        if tool.strict:
            block["strict"] = True
        return with_cache(encode_extras(block, tool.provider_metadata), tool.cache, self.losses, path)

    def _tool_choice(self, choice: ToolChoice | None) -> Block | None:
        single = self.request.parallel_tool_calls is False
        block: Block
        match choice.mode if choice is not None else None:
            case None:
                if not single:
                    return None
                block = {"type": "auto"}
            case "none":
                return {"type": "none"}
            case "required":
                block = {"type": "any"}
            case "tool":
                block = {"type": "tool", "name": choice.name if choice is not None else None}
            case "allowed":
                forced = choice is not None and choice.allowed_mode == "required"
                block = {"type": "any" if forced else "auto"}
            case "opaque":
                raw = own(choice.provider_metadata).get("tool_choice") if choice is not None else None
                if raw is None:
                    self.losses.dropped("tool_choice")
                return raw
            case _:
                block = {"type": "auto"}
        if single:
            block["disable_parallel_tool_use"] = True
        return block
