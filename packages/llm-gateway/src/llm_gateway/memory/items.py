"""Items of the Responses API: which kept things a body refers to, and the body with them put in. Pure functions.

Source: OpenAI API reference, `responses.create` (`previous_response_id`, `conversation`, `item_reference`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk.wire.pieces import found, has_any

from ..exchange.alignment import equal_runs
from ..exchange.references import may_hide

__all__ = [
    "References",
    "as_items",
    "edited_items",
    "expanded",
    "may_refer",
    "named",
    "page_of",
    "references_of",
    "replayed",
]

_MARKERS = (b'"previous_response_id"', b'"conversation"', b'"item_reference"')
_BARE_REFERENCE = re.compile(rb'\{\s*"id"\s*:\s*"[^"\\]*"\s*\}|"type"\s*:\s*null')
"""An item of an id alone, or one whose type may be left out."""

_LONGEST_ID = 16 * 1024
"""What is longer is not an id."""


@dataclass(slots=True)
class References:
    """What a body refers to."""

    previous: str | None = None
    conversation: str | None = None
    items: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.previous or self.conversation or self.items)


def may_refer(body: bytes) -> bool:
    """False where the body surely refers to nothing that is kept: a look at its bytes, in pieces so that in a thread it
    holds up no other for long."""
    return has_any(body, *_MARKERS) or found(_BARE_REFERENCE, body, _LONGEST_ID) is not None or may_hide(body)


def references_of(body: Mapping[str, Any]) -> References:
    previous = body.get("previous_response_id")
    conversation = body.get("conversation")
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    return References(
        previous if isinstance(previous, str) and previous else None,
        conversation if isinstance(conversation, str) and conversation else None,
        [item["id"] for item in as_items(body.get("input")) if _is_reference(item)],
    )


def as_items(input_: Any) -> list[Any]:
    """The `input` of a request as a list of items."""
    if isinstance(input_, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": input_}]}]
    return input_ if isinstance(input_, list) else []


def expanded(
    body: Mapping[str, Any], history: Sequence[Any], known: Mapping[str, Any], *, dropped: Iterable[str]
) -> tuple[dict[str, Any], list[Any]]:
    """(the body with what it refers to in its `input`, the items of it that are the request's own).

    `known` are items by id; a reference to any other item stays. `dropped` are the keys that `history` takes the
    place of.
    """
    own = [known.get(item["id"], item) if _is_reference(item) else item for item in as_items(body.get("input"))]
    without = {key: value for key, value in body.items() if key not in dropped}
    without["input"] = [*(replayed(item) for item in history), *(replayed(item) for item in own)]
    return without, own


def replayed(item: Any) -> Any:
    """An item as input. The ids of items belong to the store that kept them, and mean nothing to a provider; reasoning
    keeps its own, which the API requires."""
    if not isinstance(item, dict) or item.get("type") in ("reasoning", "item_reference", None) or "id" not in item:
        return item
    return {key: value for key, value in item.items() if key != "id"}


def named(items: Iterable[Any], new_id: Callable[[str], str]) -> list[Any]:
    """The items, each with an id, and messages with their type."""
    found: list[Any] = []
    for item in items:
        if not isinstance(item, dict):
            continue
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if not isinstance(kind, str):
            continue  # a provider has taken what is not an item of the API
        if kind == "item_reference":
            continue
        whole = {"id": item.get("id") or new_id(_PREFIXES.get(kind, "item_")), **item, "type": kind}
        if kind == "message" and isinstance(item.get("content"), str):
            form = "output_text" if item.get("role") == "assistant" else "input_text"
            whole["content"] = [{"type": form, "text": item["content"]}]
            if form == "output_text":
                whole["content"][0]["annotations"] = []
        if not whole.get("id"):
            whole["id"] = new_id(_PREFIXES.get(kind, "item_"))
        whole.setdefault("status", "completed")
        found.append(whole)
    return found


def edited_items(before: Sequence[Any], after: Sequence[Any], own: int) -> list[Any]:
    """The last `own` items of `before` as plugins left them, of which `after` is the whole.

    Items are matched by what an edit of their texts leaves alone. One that a plugin took out is left out; one that it
    put in belongs to the plugin, which will put it into the next request again.
    """
    shorter = min(len(before), len(after))
    head = next((place for place in range(shorter) if before[place] != after[place]), shorter)
    rest = range(shorter - head)
    tail = next((place for place in rest if before[-1 - place] != after[-1 - place]), len(rest))
    old = [_outline(item) for item in before[head : len(before) - tail]]
    new = [_outline(item) for item in after[head : len(after) - tail]]
    between = [(head + left, head + right, length) for left, right, length in equal_runs(old, new)]
    found: dict[int, Any] = {}
    at_before = at_after = 0
    for left, right, length in [(0, 0, head), *between, (len(before) - tail, len(after) - tail, tail)]:
        if left - at_before == right - at_after:  # each of them was changed
            found.update(zip(range(at_before, left), after[at_after:right], strict=True))
        found.update(zip(range(left, left + length), after[right : right + length], strict=True))
        at_before, at_after = left + length, right + length
    first = len(before) - own
    return [found[place] for place in range(max(0, first), len(before)) if place in found]


def page_of(items: Sequence[Any], query: Mapping[str, str]) -> dict[str, Any]:
    """A list in the vendor's shape. `limit` 1 to 100 (20), `order` (desc), `after` an id. Raises ValueError."""
    try:
        limit = int(query.get("limit", "20"))
    except ValueError:
        limit = 0
    if not 1 <= limit <= 100:
        raise ValueError("limit: expected a number from 1 to 100")
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise ValueError("order: expected asc or desc")
    ordered = list(items if order == "asc" else reversed(items))
    after = query.get("after")
    if after:
        place = next((place for place, item in enumerate(ordered) if item.get("id") == after), None)
        if place is None:
            raise ValueError(f"after: there is no item {after}")
        ordered = ordered[place + 1 :]
    data = ordered[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0].get("id") if data else None,
        "last_id": data[-1].get("id") if data else None,
        "has_more": len(ordered) > limit,
    }


def _is_reference(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return False
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "role" not in item)


def _outline(item: Any) -> tuple[Any, ...]:
    if not isinstance(item, dict):
        return (str(item),)
    kind = item.get("type") or ("message" if "role" in item else "")
    return (kind, item.get("role"), item.get("call_id"), item.get("name"))


_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
}
