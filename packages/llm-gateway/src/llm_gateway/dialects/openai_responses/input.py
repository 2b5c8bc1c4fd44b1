"""`input` ↔ messages: the conversation so far.

A run of items that the model wrote becomes one assistant message; a call's output becomes a message of role `tool`; an
item without a role is a message of role `opaque`. Written again, every item is in its old place with its old
fields.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.conventions import TOOL_ERROR_PREFIX
from llm_gateway_sdk.dialects.coverage import drop_block
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import (
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.request import LLMRequest, Message, Tool
from llm_gateway_sdk.wire import json

from .fields import NAME, beyond, found, mapping, own, text
from .items import Run, decode_item, fold_opaque, is_output_item, runs, settle_carriers
from .parts import decode_content, encode_input_part, encode_output_part
from .tools import ToolNames, is_client_tool_search

__all__ = ["decode_input", "encode_input", "tools_in_items"]


def tools_in_items(items: list[Any]) -> list[tuple[list[Any], str]]:
    """The tool lists which are inside of input items, each with its path."""
    lists = []
    for position, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("tools"), list):
            continue
        kind = item.get("type")
        if kind == "additional_tools" or (kind == "tool_search_output" and is_client_tool_search(item)):
            lists.append((item["tools"], f"input[{position}].tools"))
    return lists


def decode_input(items: list[Any], names: ToolNames) -> list[Message]:
    messages: list[Message] = []
    turn: list[Part] | None = None
    for position, value in enumerate(items):
        path = f"input[{position}]"
        item = mapping(value, path)
        if is_output_item(item):
            if turn is None:
                turn = []
            turn.extend(decode_item(item, path, names))
            continue
        if turn is not None:
            messages.extend(_assistant(turn))
            turn = None
        messages.append(_decode_other(item, path, names))
    if turn is not None:
        messages.extend(_assistant(turn))
    return messages


def encode_input(messages: list[Message], request: LLMRequest, losses: Losses) -> list[dict[str, Any]]:
    return _InputWriter(request, losses).write(messages)


def _assistant(parts: list[Part]) -> list[Message]:
    """One assistant message, or opaque ones where nothing in it is known to other dialects."""
    parts = settle_carriers(parts)
    if all(isinstance(part, OpaquePart) for part in parts):
        return [Message("opaque", [part]) for part in parts]
    return [Message("assistant", parts)]


def _decode_other(item: dict[str, Any], path: str, names: ToolNames) -> Message:
    match item.get("type") or ("message" if "role" in item else None):
        case "message":
            return _decode_message(item, path)
        case "function_call_output" | "custom_tool_call_output":
            return _decode_result(item, path)
        case "tool_search_output":
            return _decode_search_output(item, path, names)
        case kind if kind is None or isinstance(kind, str):
            if kind is None and "id" not in item:
                raise DialectError("expected an item with a type or a role", path=path)
            return Message("opaque", [OpaquePart(NAME, item, item_id=text(item, "id", path))])
        case kind:
            raise DialectError(f"expected a string, found {found(kind)}", path=f"{path}.type")


def _decode_message(item: dict[str, Any], path: str) -> Message:
    role = text(item, "role", path)
    if role not in ("user", "system", "developer"):
        shown = role[:60] if role else role
        raise DialectError(f"expected user, assistant, system or developer, found {shown!r}", path=f"{path}.role")
    content = item.get("content")
    memo: dict[str, Any] = {"_item": beyond(item, ("role", "content"))}
    if isinstance(content, str):
        memo["_form"] = "string"
    return Message(role, decode_content(content, f"{path}.content"), provider_metadata={NAME: memo})


def _decode_result(item: dict[str, Any], path: str) -> Message:
    output = item.get("output")
    known = ("type", "id", "call_id", "output", "name")
    memo: dict[str, Any] = {
        "_item": beyond(item, known),
        "_form": "string" if isinstance(output, str) else "list",
    }
    result = ToolResultPart(
        tool_call_id=text(item, "call_id", path) or "",
        content=decode_content(output, f"{path}.output"),
        name=text(item, "name", path),
        kind="custom" if item.get("type") == "custom_tool_call_output" else "function",
        item_id=text(item, "id", path),
        provider_metadata={NAME: memo},
    )
    first = result.content[0] if result.content else None
    if isinstance(first, TextPart) and first.text.startswith(TOOL_ERROR_PREFIX):
        first.text = first.text[len(TOOL_ERROR_PREFIX) :]
        result.is_error = True
    return Message("tool", [result])


def _decode_search_output(item: dict[str, Any], path: str, names: ToolNames) -> Message:
    """What the client's own search has found: the tools are declared with the request's, the model reads the names."""
    tools = item.get("tools")
    if not isinstance(tools, list):
        return Message("opaque", [OpaquePart(NAME, item, item_id=text(item, "id", path))])
    known = ("type", "id", "call_id", "execution", "tools")
    rest = beyond(item, known)
    result = ToolResultPart(
        tool_call_id=text(item, "call_id", path) or "",
        content=[TextPart(_describe(tools, names))],
        name="tool_search",
        item_id=text(item, "id", path),
        provider_metadata={NAME: {"_item": rest, "_tools": tools}},
    )
    return Message("tool", [result])


def _describe(tools: list[Any], names: ToolNames) -> str:
    found_tools = []
    for tool in tools:
        if not isinstance(tool, dict):
            continue
        namespace = tool.get("name") if tool.get("type") == "namespace" else None
        members = tool.get("tools") if namespace is not None else [tool]
        for member in members if isinstance(members, list) else []:
            if isinstance(member, dict) and isinstance(member.get("name"), str):
                listed = {"name": names.flatten(namespace, member["name"])}
                if isinstance(member.get("description"), str):
                    listed["description"] = member["description"]
                found_tools.append(listed)
    return json.dumps_text({"tools": found_tools})


class _InputWriter:
    """Messages → items. Knows the calls so far, for an output is written by its call's kind."""

    __slots__ = ("_items", "_kinds", "_loaded", "_losses", "_names")

    def __init__(self, request: LLMRequest, losses: Losses) -> None:
        self._losses = losses
        self._items: list[dict[str, Any]] = []
        self._kinds: dict[str, str] = {}
        # Calls of other dialects' history name a namespaced tool by its flat name.
        self._names = {
            tool.name: (own(tool)["_name"], tool.namespace)
            for tool in request.tools
            if isinstance(tool, Tool) and "_name" in own(tool)
        }

        self._loaded = {
            (tool.namespace, own(tool).get("_name", tool.name)): tool
            for tool in request.tools
            if isinstance(tool, Tool) and "_loaded" in own(tool)
        }

    def write(self, messages: list[Message]) -> list[dict[str, Any]]:
        leading = True
        for position, message in enumerate(messages):
            leading = leading and message.role in ("system", "developer")
            path = "system" if leading else f"messages[{position}]"
            if message.name is not None:
                self._losses.dropped("messages[*].name")
            match message.role:
                case "assistant":
                    self._write_turn(message, path)
                case "opaque":
                    for part in message.content:
                        self._write_opaque(part, "messages[*]")
                case _:
                    self._write_message(message, path)
        return self._items

    def _write_message(self, message: Message, path: str) -> None:
        """A user, system or tool message; results that are in it become items of their own, in their places."""
        memo = own(message)
        pending: list[dict[str, Any]] = []
        simple: str | None = None
        written = False
        for position, part in enumerate(message.content):
            place = f"{path}.content[{position}]"
            if isinstance(part, ToolResultPart):
                if pending:
                    self._items.append(_message(message.role, pending, simple, memo))
                    pending, simple = [], None
                self._items.append(self._encode_result(part, place))
                written = True
                continue
            encoded = encode_input_part(part, place, self._losses)
            if encoded is not None:
                simple = part.text if isinstance(part, TextPart) and not pending and len(encoded) == 2 else None
                pending.append(encoded)
        if pending or (not written and "_item" in memo):
            self._items.append(_message(message.role, pending, simple, memo))

    def _write_turn(self, message: Message, path: str) -> None:
        for run in runs(message.content):
            match run.kind:
                case "message":
                    self._items.append(self._encode_assistant(run, path))
                case "reasoning":
                    self._write_reasoning(run, path)
                case "call":
                    for part in run.parts:
                        assert isinstance(part, ToolCallPart)
                        self._items.append(self._encode_call(part, path))
                case "image":
                    for part in run.parts:
                        self._write_image(part, path)
                case _:
                    for part in run.parts:
                        if isinstance(part, ToolResultPart):
                            self._items.append(self._encode_result(part, path))
                        else:
                            self._write_opaque(part, f"{path}.content[*]")

    def _encode_assistant(self, run: Run, path: str) -> dict[str, Any]:
        first = run.parts[0]
        memo = own(first)
        item: dict[str, Any] = {}
        content: list[dict[str, Any]] = []
        for part in run.parts:
            if part.signature is not None:
                self._losses.dropped(f"{path}.content[*].signature")
            if part.cache is not None:
                self._losses.dropped(f"{path}.content[*].cache", "assistant text carries no cache breakpoint")
            if isinstance(part, TextPart | RefusalPart):
                content.append(encode_output_part(part))
        if first.item_id is not None:
            item["id"] = first.item_id
        item["role"] = "assistant"
        plain = isinstance(first, TextPart) and len(run.parts) == 1 and not first.citations
        if plain and (memo.get("_form") == "string" or ("_item" not in memo and first.item_id is None)):
            item["content"] = content[0]["text"]
        else:
            item["content"] = content
        if "_item" in memo:
            item.update(memo["_item"])
        elif first.item_id is not None:
            item.update(type="message", status="completed")
        return item

    def _write_reasoning(self, run: Run, path: str) -> None:
        """Only what this dialect issued goes back: proof of another provider is refused, and so is text without any."""
        parts = [part for part in run.parts if isinstance(part, ThinkingPart)]
        first, last = parts[0], parts[-1]
        native = "_item" in own(first) or first.item_id is not None
        foreign = last.redacted is not None or (last.signature is not None and last.signed_by not in (None, NAME))
        if foreign or (last.signature is None and not native):
            if foreign:
                self._losses.dropped(f"{path}.content[*].signature", "issued by another provider")
            if any(part.text for part in parts):
                self._losses.dropped(f"{path}.content[*].thinking", "reasoning of another provider")
            return
        item: dict[str, Any] = {"type": "reasoning"}
        if first.item_id is not None:
            item["id"] = first.item_id
        # A client of another dialect kept the text, but not that it was a summary.
        item["summary"] = [
            {"type": "summary_text", "text": part.text} for part in parts if part.text and (part.summary or not native)
        ]
        content = [{"type": "reasoning_text", "text": part.text} for part in parts if not part.summary and native]
        if content:
            item["content"] = content
        if last.signature is not None:
            item["encrypted_content"] = last.signature
        item.update(own(first).get("_item", {}))
        self._items.append(item)

    def _encode_call(self, part: ToolCallPart, path: str) -> dict[str, Any]:
        memo = own(part)
        if part.signature is not None:
            self._losses.dropped(f"{path}.content[*].signature", "issued by another provider")
        if part.cache is not None:
            self._losses.dropped(f"{path}.content[*].cache", "calls carry no cache breakpoint")
        name, namespace = part.name, part.namespace
        if "_name" in memo:
            name = memo["_name"]
        elif name in self._names:
            name, namespace = self._names[name]
        item: dict[str, Any]
        if memo.get("_type") == "tool_search_call":
            self._kinds[part.id] = "tool_search"
            item = {"type": "tool_search_call", "execution": "client", "call_id": part.id}
            try:
                item["arguments"] = json.loads(part.arguments or "{}")
            except ValueError:
                item["arguments"] = part.arguments
        elif part.kind == "custom":
            self._kinds[part.id] = "custom"
            item = {"type": "custom_tool_call", "call_id": part.id, "name": name, "input": part.arguments}
        else:
            self._kinds[part.id] = "function"
            item = {"type": "function_call", "call_id": part.id, "name": name}
            item["arguments"] = part.arguments if part.arguments or "_item" in memo else "{}"
        if namespace is not None:
            item["namespace"] = namespace
        if part.item_id is not None:
            item["id"] = part.item_id
        item.update(memo.get("_item", {}))
        return item

    def _write_image(self, part: Part, path: str) -> None:
        memo = own(part)
        if not isinstance(part, MediaPart) or "_item" not in memo or part.data is None:
            self._losses.dropped(f"{path}.content[*]", "media in an assistant message")
            return
        item: dict[str, Any] = {"type": "image_generation_call", "id": part.item_id, "result": part.data}
        self._items.append({**item, **memo["_item"]})

    def _write_opaque(self, part: Part, path: str) -> None:
        if isinstance(part, OpaquePart) and part.dialect == NAME:
            data = fold_opaque(part)
            if isinstance(data, dict):
                self._items.append(data)
            return
        if isinstance(part, OpaquePart):
            drop_block(part, self._losses, path)
        else:
            self._losses.dropped(path)

    def _encode_result(self, part: ToolResultPart, path: str) -> dict[str, Any]:
        memo = own(part)
        if "_tools" in memo:
            found_item: dict[str, Any] = {"type": "tool_search_output", "execution": "client"}
            found_item["call_id"] = part.tool_call_id
            if part.item_id is not None:
                found_item["id"] = part.item_id
            return {**found_item, "tools": [self._as_edited(tool, None) for tool in memo["_tools"]], **memo["_item"]}
        kind = self._kinds.get(part.tool_call_id, part.kind)
        item = {
            "type": "custom_tool_call_output" if kind == "custom" else "function_call_output",
            "call_id": part.tool_call_id,
            "output": self._encode_output(part, memo, path),
        }
        if part.name is not None and "_item" in memo:
            item["name"] = part.name
        if part.item_id is not None:
            item["id"] = part.item_id
        if part.cache is not None:
            self._losses.dropped(f"{path}.cache", "tool results carry no cache breakpoint")
        item.update(memo.get("_item", {}))
        return item

    def _as_edited(self, raw: Any, namespace: str | None) -> Any:
        """A tool found by a search, with its description as plugins left it at the request's tools."""
        if not isinstance(raw, dict):
            return raw
        if raw.get("type") == "namespace" and isinstance(raw.get("tools"), list):
            members = [self._as_edited(member, raw.get("name")) for member in raw["tools"]]
            return raw if members == raw["tools"] else {**raw, "tools": members}
        name = raw.get("name")
        tool = self._loaded.get((namespace, name)) if isinstance(name, str) else None
        if tool is None or tool.description == raw.get("description"):
            return raw
        return {**raw, "description": tool.description}

    def _encode_output(self, part: ToolResultPart, memo: dict[str, Any], path: str) -> Any:
        prefix = TOOL_ERROR_PREFIX if part.is_error else ""
        parts = part.content
        if len(parts) <= 1 and memo.get("_form") != "list" and all(_is_plain(inner) for inner in parts):
            if any(isinstance(inner, TextPart) and inner.citations for inner in parts):
                self._losses.dropped(f"{path}.content[*].citations", "input text carries none")
            return prefix + "".join(inner.text for inner in parts if isinstance(inner, TextPart))
        written = [
            encoded
            for position, inner in enumerate(parts)
            if (encoded := encode_input_part(inner, f"{path}.content[{position}]", self._losses)) is not None
        ]
        if prefix:
            first = next((encoded for encoded in written if encoded.get("type") == "input_text"), None)
            if first is not None and first is written[0]:
                first["text"] = prefix + first["text"]
            else:
                written.insert(0, {"type": "input_text", "text": prefix.rstrip()})
        return written


def _is_plain(part: Part) -> bool:
    return isinstance(part, TextPart) and part.cache is None and not own(part)


def _message(role: str, content: list[dict[str, Any]], simple: str | None, memo: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"role": "user" if role == "tool" else role}
    if simple is not None and len(content) == 1 and (memo.get("_form") == "string" or "_item" not in memo):
        item["content"] = simple
    elif not content and memo.get("_form") == "string":
        item["content"] = ""
    else:
        item["content"] = content
    item.update(memo.get("_item", {}))
    return item
