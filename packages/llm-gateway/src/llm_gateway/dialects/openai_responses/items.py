"""Items that the model writes — messages, reasoning, calls — to parts and back; input history and replies share them.

An assistant turn is a run of such items; the parts of one message hold them all. Where one item ends and the next
begins is reported by a part's `item_id`, by its `_item` memo (on the first part of an item), or by its kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.parts import (
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.signatures import UNSIGNED, unwrap_signature, wrap_signature
from llm_gateway_sdk.wire import json

from .fields import NAME, beyond, found, own, sequence, text
from .parts import decode_content
from .tools import ToolNames, is_client_tool_search

__all__ = [
    "Run",
    "decode_item",
    "fold_opaque",
    "is_output_item",
    "runs",
    "settle_carriers",
    "unsigned_mark",
    "wrap_thinking_signature",
]

REDACTED = "redacted:"
"""Before the data of redacted thinking in an `encrypted_content` that the gateway wrote."""
OF_TOOL = "tool:"
"""Before a signature that belongs to the tool call right after the reasoning item which carries it."""
OF_TEXT = "text:"
"""Before a signature that belongs to the text right before the reasoning item which carries it."""


@dataclass(slots=True)
class Run:
    """Parts that are one item."""

    kind: str
    """`message`, `reasoning`, `call`, `image` or `opaque`."""
    parts: list[Part] = field(default_factory=list)


def decode_item(item: dict[str, Any], path: str, names: ToolNames | None) -> list[Part]:
    """The parts of one item.

    `names` are the flat tool names of a request; None in replies, where a name is as the provider wrote it. A reasoning
    item that only carries the signature of another item comes as it is: `settle_carriers` knows the whole turn.
    """
    match item.get("type") or ("message" if "role" in item else None):
        case "message":
            return _decode_message(item, path, keep=names is not None)
        case "reasoning":
            return _decode_reasoning(item, path, keep=names is not None)
        case "function_call":
            return [_decode_call(item, path, names, "arguments")]
        case "custom_tool_call":
            return [_decode_call(item, path, names, "input")]
        case "tool_search_call" if is_client_tool_search(item):
            return [_decode_tool_search(item, path)]
        case "image_generation_call" if isinstance(item.get("result"), str) and item["result"]:
            return [_decode_image_call(item, path)]
        case _:
            return [OpaquePart(NAME, item, item_id=text(item, "id", path))]


def settle_carriers(parts: list[Part]) -> list[Part]:
    """The turn with each carried signature on the call or text that it belongs to, and without the carriers.

    A carrier is next to its part when it leaves the gateway, but clients reorder: LangChain.js keeps the last reasoning
    item of an answer alone, and puts it first. So a signature of a call goes to the call right after its carrier, else
    to the first one without a signature. One whose part the client left out goes with it: no provider could read the
    mark of a carrier.
    """
    if not any(_carried(part) for part in parts):
        return parts
    kept: list[Part] = []
    waiting: list[tuple[type[ToolCallPart | TextPart], str, str | None]] = []
    for position, part in enumerate(parts):
        carried = _carried(part)
        if not carried:
            kept.append(part)
            continue
        of_tool = carried.startswith(OF_TOOL)
        kind: type[ToolCallPart | TextPart] = ToolCallPart if of_tool else TextPart
        signature = carried[len(OF_TOOL if of_tool else OF_TEXT) :]
        near = parts[position + 1 : position + 2] if of_tool else kept[-1:]
        if near and isinstance(near[0], kind) and near[0].signature is None:
            near[0].signature, near[0].signed_by = signature, part.signed_by
        else:
            waiting.append((kind, signature, part.signed_by))
    for kind, signature, signed_by in waiting:
        home = next((part for part in kept if isinstance(part, kind) and part.signature is None), None)
        if home is not None:
            home.signature, home.signed_by = signature, signed_by
    return kept


def _carried(part: Part) -> str | None:
    if not isinstance(part, ThinkingPart) or part.text or part.signed_by == NAME or part.signature is None:
        return None
    return part.signature if part.signature.startswith((OF_TOOL, OF_TEXT)) else None


def is_output_item(item: dict[str, Any]) -> bool:
    """Whether the model wrote the item, so that it is in the assistant's turn."""
    kind = item.get("type")
    if kind is None or kind == "message":
        return item.get("role") == "assistant"
    if kind == "tool_search_output":
        return not is_client_tool_search(item)
    return isinstance(kind, str) and (kind.endswith("_call") or kind in _OUTPUT_ITEMS)


def fold_opaque(part: OpaquePart) -> Any:
    """The whole item: that of its last `output_item.done` where it came in a stream."""
    for delta in reversed(part.deltas):
        if isinstance(delta, dict) and delta.get("type") == "response.output_item.done" and "item" in delta:
            return delta["item"]
    return part.data


def runs(parts: list[Part], *, reply: bool = False) -> Iterator[Run]:
    """Cuts the parts of one message into items.

    In a reply each thinking part of another dialect is its own item. In history such parts may be the texts of
    one item, come back through a client of another dialect: they go on to the one which has the signature.
    """
    current: Run | None = None
    for part in parts:
        kind = _RUN_KINDS.get(type(part), "opaque")
        if current is None or kind != current.kind or not _continues(current, part, reply=reply):
            if current is not None:
                yield current
            current = Run(kind)
        current.parts.append(part)
    if current is not None:
        yield current


def _continues(run: Run, part: Part, *, reply: bool) -> bool:
    last = run.parts[-1]
    if run.kind not in ("message", "reasoning") or "_item" in own(part):
        return False
    if run.kind == "message" and last.signature is not None:
        # What carries a signature comes after its own text.
        return False
    if part.item_id is not None or last.item_id is not None:
        return part.item_id == last.item_id or (part.item_id is None and run.kind == "message")
    return run.kind == "message" or not (reply or last.signature is not None or _redacted(last) or _redacted(part))


def _redacted(part: Part) -> bool:
    return isinstance(part, ThinkingPart) and part.redacted is not None


def wrap_thinking_signature(part: ThinkingPart) -> str | None:
    """`encrypted_content` for a client of this dialect."""
    if part.redacted is not None:
        return wrap_signature(REDACTED + part.redacted, part.signed_by or "anthropic", NAME)
    if part.signature is None:
        return None
    return wrap_signature(part.signature, part.signed_by, NAME)


def unsigned_mark(source_id: str | None) -> str | None:
    """`encrypted_content` of a reasoning item that has none: a mark where the item is of the gateway's making, that is
    where the provider gave no id."""
    return wrap_signature("", UNSIGNED, NAME) if source_id is None else None


def _decode_message(item: dict[str, Any], path: str, *, keep: bool) -> list[Part]:
    content = item.get("content")
    parts = decode_content(content, f"{path}.content")
    item_id = text(item, "id", path)
    if not parts:
        parts = [TextPart("")]
    for part in parts:
        part.item_id = item_id
    rest = beyond(item, ("id", "role", "content"))
    first = parts[0]
    if keep:
        memo = {**own(first), "_item": rest}
        if isinstance(content, str):
            memo["_form"] = "string"
        first.provider_metadata = {**first.provider_metadata, NAME: memo}
    else:
        set_reply_memo(first, rest)
    return parts


def set_reply_memo(part: Part, rest: dict[str, Any]) -> None:
    """Keeps the unusual fields of a reply's item."""
    rest = {
        key: value
        for key, value in rest.items()
        if key not in _ALWAYS_WRITTEN and value is not None and not (key == "status" and value != "incomplete")
    }
    if rest:
        part.provider_metadata = {**part.provider_metadata, NAME: {**own(part), "_item": rest}}


def _decode_reasoning(item: dict[str, Any], path: str, *, keep: bool) -> list[Part]:
    item_id = text(item, "id", path)
    parts: list[ThinkingPart] = []
    for key in ("summary", "content"):
        for position, raw in enumerate(sequence(item, key, path)):
            place = f"{path}.{key}[{position}]"
            if isinstance(raw, str):
                raw = {"text": raw}
            if not isinstance(raw, dict):
                raise DialectError(f"expected an object, found {found(raw)}", path=place)
            parts.append(ThinkingPart(text(raw, "text", place) or "", summary=key == "summary", item_id=item_id))
    encrypted = text(item, "encrypted_content", path)
    signature, signed_by = unwrap_signature(encrypted, NAME) if encrypted else (None, None)
    if signed_by == UNSIGNED:
        signature = None
        for part in parts:
            part.item_id = None  # the item is of the gateway's making, and no provider keeps it
    if signature is not None and signed_by != NAME and not parts and signature.startswith(REDACTED):
        return [ThinkingPart(redacted=signature[len(REDACTED) :], item_id=item_id, signed_by=signed_by)]
    if not parts:
        parts = [ThinkingPart("", summary=True, item_id=item_id)]
    if signature is not None:
        parts[-1].signature, parts[-1].signed_by = signature, signed_by
    rest = beyond(item, _REASONING_FIELDS)
    if signed_by == UNSIGNED:
        return list(parts)
    if keep:
        parts[0].provider_metadata = {NAME: {"_item": rest}}
    else:
        set_reply_memo(parts[0], rest)
    return list(parts)


def _decode_call(item: dict[str, Any], path: str, names: ToolNames | None, key: str) -> ToolCallPart:
    name, namespace = text(item, "name", path) or "", text(item, "namespace", path)
    memo: dict[str, Any] = {}
    rest = {
        field_: value
        for field_, value in item.items()
        if field_ not in ("type", "id", "call_id", "name", "namespace", key) and value is not None
    }
    call = ToolCallPart(
        id=text(item, "call_id", path) or text(item, "id", path) or "",
        name=name,
        arguments=text(item, key, path) or "",
        kind="custom" if key == "input" else "function",
        namespace=namespace,
        item_id=text(item, "id", path),
    )
    if names is None:
        set_reply_memo(call, rest)
        return call
    memo["_item"] = rest
    call.name = names.flatten(namespace, name)
    if call.name != name:
        memo["_name"] = name
    call.provider_metadata = {NAME: memo}
    return call


def _decode_tool_search(item: dict[str, Any], path: str) -> ToolCallPart:
    arguments = item.get("arguments")
    rest = beyond(item, _TOOL_SEARCH_FIELDS)
    return ToolCallPart(
        id=text(item, "call_id", path) or text(item, "id", path) or "",
        name="tool_search",
        arguments=arguments if isinstance(arguments, str) else json.dumps_text(arguments if arguments else {}),
        item_id=text(item, "id", path),
        provider_metadata={NAME: {"_type": "tool_search_call", "_item": rest}},
    )


def _decode_image_call(item: dict[str, Any], path: str) -> MediaPart:
    rest = beyond(item, ("id", "type", "result"))
    return MediaPart(
        "image",
        media_type=f"image/{text(item, 'output_format', path) or 'png'}",
        data=item["result"],
        item_id=text(item, "id", path),
        provider_metadata={NAME: {"_item": rest}},
    )


_OUTPUT_ITEMS = frozenset(("reasoning", "mcp_list_tools", "mcp_approval_request", "program", "program_output"))
_REASONING_FIELDS = frozenset(("id", "type", "summary", "content", "encrypted_content"))
_TOOL_SEARCH_FIELDS = frozenset(("id", "type", "call_id", "arguments", "execution"))
_ALWAYS_WRITTEN = frozenset(("type", "role"))
_RUN_KINDS: dict[type, str] = {
    TextPart: "message",
    RefusalPart: "message",
    ThinkingPart: "reasoning",
    ToolCallPart: "call",
    MediaPart: "image",
}
