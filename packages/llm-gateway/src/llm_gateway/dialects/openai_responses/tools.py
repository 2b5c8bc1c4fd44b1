"""Tools and the choice among them; names of tools in namespaces are made flat here, and the memo kept to undo it.

Source: OpenAI API reference, `responses.create` (tools, tool_choice); Codex sends `namespace`, `custom` and
`tool_search` tools in addition to functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_gateway_sdk.dialects.coverage import drop_tool
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import ProviderMetadata
from llm_gateway_sdk.request import LLMRequest, OpaqueTool, Tool, ToolChoice, ToolLike
from llm_gateway_sdk.text_exclusions import CANONICAL
from llm_gateway_sdk.wire.digests import text_digest

from .fields import NAME, beyond, boolean, found, mapping, own, sequence, text

__all__ = [
    "ToolName",
    "ToolNames",
    "decode_tool_choice",
    "decode_tools",
    "encode_tool_choice",
    "encode_tools",
    "is_client_tool_search",
]

CallKind = Literal["function", "custom", "tool_search"]


@dataclass(slots=True, frozen=True)
class ToolName:
    """A tool as the client knows it."""

    name: str
    namespace: str | None = None
    kind: CallKind = "function"


@dataclass(slots=True)
class ToolNames:
    """The flat names under which the tools of one request are known everywhere else."""

    by_flat: dict[str, ToolName] = field(default_factory=dict)
    flat_of: dict[tuple[str | None, str], str] = field(default_factory=dict)

    def flatten(self, namespace: str | None, name: str) -> str:
        """The flat name of a tool that history or a tool choice names; such a tool need not be declared."""
        known = self.flat_of.get((namespace, name))
        if known is not None:
            return known
        # A deferred function is called with itself as its namespace once it was found by a tool search.
        if namespace is not None and (None, name) in self.flat_of:
            return self.flat_of[None, name]
        return name if namespace is None else _candidate(namespace, name)

    def add(self, namespace: str | None, name: str, kind: CallKind) -> str:
        flat = name if namespace is None and _VALID.match(name) else _candidate(namespace, name)
        if flat in self.by_flat:
            flat = _hashed(namespace, name, flat)
        self.by_flat[flat] = ToolName(name, namespace, kind)
        self.flat_of[namespace, name] = flat
        return flat


def decode_tools(
    declared: list[Any], found_later: list[tuple[list[Any], str]], path: str = "tools"
) -> tuple[list[ToolLike], ToolNames]:
    """The request's tools, and the flat names of all.

    `found_later` are lists of tools, each with its path, that are in input items (`additional_tools`,
    `tool_search_output`): they are tools for everybody else, but this dialect leaves them in their items (`_loaded`).
    """
    names = ToolNames()
    tools: list[ToolLike] = []
    sources = [(declared, path, False), *((items, place, True) for items, place in found_later)]
    # Top-level names first, so that a flattened name is the one that gives way.
    for items, place, _ in sources:
        for position, raw in enumerate(items):
            raw = mapping(raw, f"{place}[{position}]")
            kind = _call_kind(raw)
            if kind is not None:
                name = _name_of(raw, f"{place}[{position}]", kind)
                if (None, name) not in names.flat_of:
                    names.add(None, name, kind)
    seen: set[tuple[str | None, str]] = set()
    for items, place, loaded in sources:
        for position, raw in enumerate(items):
            for tool, key in _decode_tool(raw, f"{place}[{position}]", names):
                if loaded and (key is None or key in seen):
                    continue
                if key is not None:
                    seen.add(key)
                if loaded:
                    tool.provider_metadata = {NAME: {**own(tool), "_loaded": True}}
                tools.append(tool)
    return tools, names


def is_client_tool_search(raw: Mapping[str, Any]) -> bool:
    """A tool search that the client runs is a call like any other; the vendor's own search is a server tool."""
    return raw.get("execution") == "client"


def encode_tools(request: LLMRequest, losses: Losses, *, native: bool) -> list[Any]:
    tools: list[Any] = []
    group: dict[str, Any] | None = None
    for position, tool in enumerate(request.tools):
        path = f"tools[{position}]"
        if tool.cache is not None:
            losses.dropped(f"{path}.cache", "tools carry no cache breakpoint")
        if isinstance(tool, OpaqueTool):
            if tool.dialect != NAME:
                drop_tool(tool, losses)
                continue
            if group is not None and own(tool).get("_namespace_member") == group["name"]:
                group["tools"].append(tool.data)
                continue
            group = None
            tools.append(tool.data)
            continue
        memo = own(tool)
        if memo.get("_loaded"):
            continue
        written = _encode_tool(tool, memo, native=native)
        if tool.namespace is None:
            group = None
            tools.append(written)
            continue
        head = memo.get("_namespace")
        if group is None or group["name"] != tool.namespace or head is not None:
            # The vendor's type wants a description.
            group = {"type": "namespace", "name": tool.namespace, **(head or {"description": tool.namespace})}
            group["tools"] = []
            tools.append(group)
        group["tools"].append(written)
    return tools


def decode_tool_choice(value: Any, names: ToolNames, path: str = "tool_choice") -> ToolChoice:
    if isinstance(value, str):
        match value:
            case "auto" | "none" | "required":
                return ToolChoice(value)
            case _:
                return ToolChoice("opaque", provider_metadata={NAME: {"_raw": value}})
    raw = mapping(value, path)
    metadata: ProviderMetadata = {NAME: {"_raw": raw}}
    match raw.get("type"):
        case "function" | "custom" as kind:
            name = text(raw, "name", path)
            if name is None and isinstance(raw.get("function"), dict):
                name = text(raw["function"], "name", f"{path}.function")
            if not name:
                raise DialectError("missing", path=f"{path}.name")
            flat = names.flatten(text(raw, "namespace", path), name)
            return ToolChoice("tool", flat, kind=kind, provider_metadata=metadata)
        case "allowed_tools":
            allowed = []
            for position, tool in enumerate(sequence(raw, "tools", path)):
                tool = mapping(tool, f"{path}.tools[{position}]")
                name = text(tool, "name", f"{path}.tools[{position}]")
                if name is not None:
                    allowed.append(names.flatten(text(tool, "namespace", f"{path}.tools[{position}]"), name))
            mode: Literal["auto", "required"] = "required" if raw.get("mode") == "required" else "auto"
            return ToolChoice("allowed", names=allowed, allowed_mode=mode, provider_metadata=metadata)
        case "auto" | "none" | "required" as mode_word:
            return ToolChoice(mode_word, provider_metadata=metadata)
        case _:
            return ToolChoice("opaque", provider_metadata=metadata)


def encode_tool_choice(choice: ToolChoice, request: LLMRequest, losses: Losses) -> Any:
    """None where there is nothing to write."""
    tools = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    names = ToolNames(
        by_flat={
            flat: ToolName(own(tool).get("_name", flat), tool.namespace, tool.kind) for flat, tool in tools.items()
        },
        flat_of={(tool.namespace, own(tool).get("_name", flat)): flat for flat, tool in tools.items()},
    )
    raw = own(choice).get("_raw")
    if raw is not None and decode_tool_choice(raw, names) == choice:
        return raw
    match choice.mode:
        case "auto" | "none" | "required":
            return choice.mode
        case "tool":
            return _choose(choice.name or "", names, choice.kind)
        case "allowed":
            allowed = [_choose(name, names, "function") for name in choice.names]
            return {"type": "allowed_tools", "mode": choice.allowed_mode, "tools": allowed}
        case _:
            losses.dropped("tool_choice", "of another dialect")
            return None


def _choose(flat: str, names: ToolNames, kind: str) -> dict[str, Any]:
    tool = names.by_flat.get(flat)
    if tool is None:
        return {"type": kind, "name": flat}
    written: dict[str, Any] = {"type": tool.kind, "name": tool.name}
    if tool.namespace is not None:
        written["namespace"] = tool.namespace
    return written


def _decode_tool(
    value: Any, path: str, names: ToolNames, namespace: str | None = None
) -> list[tuple[ToolLike, tuple[str | None, str] | None]]:
    """The tools that one entry declares, each with its key (namespace, name), which opaque ones lack."""
    raw = mapping(value, path)
    if raw.get("type") == "namespace" and namespace is None:
        return _decode_namespace(raw, path, names)
    kind = _call_kind(raw)
    if kind is None:
        label = raw.get("name")
        metadata: ProviderMetadata = {} if namespace is None else {NAME: {"_namespace_member": namespace}}
        opaque = OpaqueTool(NAME, raw, label if isinstance(label, str) else None, provider_metadata=metadata)
        return [(opaque, None)]
    name = _name_of(raw, path, kind)
    flat = names.flat_of.get((namespace, name)) or names.add(namespace, name, kind)
    known = _KNOWN[kind]
    memo = beyond(raw, known)
    if flat != name:
        memo["_name"] = name
    if kind == "tool_search":
        memo["_type"] = "tool_search"
    parameters = raw.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise DialectError(f"expected an object, found {found(parameters)}", path=f"{path}.parameters")
    format_ = raw.get("format")
    if format_ is not None and not isinstance(format_, dict):
        raise DialectError(f"expected an object, found {found(format_)}", path=f"{path}.format")
    tool = Tool(
        name=flat,
        description=text(raw, "description", path),
        parameters=parameters,
        strict=boolean(raw, "strict", path) if kind == "function" else None,
        kind="custom" if kind == "custom" else "function",
        format=format_ if kind == "custom" else None,
        namespace=namespace,
        provider_metadata={NAME: memo} if memo else {},
    )
    return [(tool, (namespace, name))]


def _decode_namespace(
    raw: dict[str, Any], path: str, names: ToolNames
) -> list[tuple[ToolLike, tuple[str | None, str] | None]]:
    name = text(raw, "name", path)
    if not name:
        raise DialectError("missing", path=f"{path}.name")
    members = [
        entry
        for position, inner in enumerate(sequence(raw, "tools", path))
        for entry in _decode_tool(inner, f"{path}.tools[{position}]", names, name)
    ]
    if not members or not isinstance(members[0][0], Tool):
        return [(OpaqueTool(NAME, raw, name), None)]
    first = members[0][0]
    head = beyond(raw, ("type", "name", "tools"))
    first.provider_metadata = {NAME: {**own(first), "_namespace": head}}
    return members


def _encode_tool(tool: Tool, memo: dict[str, Any], *, native: bool) -> dict[str, Any]:
    rest = {key: value for key, value in memo.items() if key[:1] != "_"}
    name = memo.get("_name", tool.name)
    written: dict[str, Any]
    if memo.get("_type") == "tool_search":
        written = {"type": "tool_search"}
        if tool.description is not None:
            written["description"] = tool.description
        if tool.parameters is not None:
            written["parameters"] = tool.parameters
        return {**written, **rest}
    written = {"type": tool.kind, "name": name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.kind == "custom":
        if tool.format is not None:
            written["format"] = tool.format
        return {**written, **rest}
    if not native:
        written["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    elif tool.parameters is not None:
        written["parameters"] = tool.parameters
    if tool.strict is not None:
        written["strict"] = tool.strict
    elif not native:
        # The vendor takes a missing `strict` for true here, which no other dialect does.
        written["strict"] = False
    return {**written, **rest}


def _call_kind(raw: dict[str, Any]) -> CallKind | None:
    match raw.get("type"):
        case "function":
            return "function"
        case "custom":
            return "custom"
        case "tool_search" if is_client_tool_search(raw):
            return "tool_search"
        case _:
            return None


def _name_of(raw: dict[str, Any], path: str, kind: CallKind) -> str:
    if kind == "tool_search":
        return "tool_search"
    name = text(raw, "name", path)
    if not name:
        raise DialectError("missing", path=f"{path}.name")
    return name


def _candidate(namespace: str | None, name: str) -> str:
    """A flat name. It spells out what is a name by its letters; of anything else, which may be a text that a plugin is
    to hide, it shows nothing."""
    if not all(_is_name(piece.lstrip("_")) for piece in (namespace, name) if piece is not None):
        return _hashed(namespace, name, "tool")
    joined = name if namespace is None else f"{namespace}__{name}"
    flat = _INVALID.sub("_", joined)
    return flat if len(flat) <= 64 else _hashed(namespace, name, flat)


def _hashed(namespace: str | None, name: str, flat: str) -> str:
    digest = text_digest(namespace or "", name)[:10]
    return f"{flat[:53]}_{digest}"


_is_name = CANONICAL["Tool.name"]
_VALID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_INVALID = re.compile(r"[^A-Za-z0-9_-]")
_KNOWN: dict[CallKind, frozenset[str]] = {
    "function": frozenset(("type", "name", "description", "parameters", "strict")),
    "custom": frozenset(("type", "name", "description", "format")),
    "tool_search": frozenset(("type", "description", "parameters")),
}
