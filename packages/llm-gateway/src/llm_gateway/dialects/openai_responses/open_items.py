"""What is open in a stream that is being written: items, and the parts in them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from weakref import ref

from llm_gateway_sdk.conventions import CustomInputReader
from llm_gateway_sdk.parts import (
    Citation,
    Part,
    ToolCallPart,
)
from llm_gateway_sdk.wire import json

from .tools import ToolName

__all__ = [
    "OpenCall",
    "OpenItem",
    "OpenMessage",
    "OpenOpaque",
    "OpenReasoning",
    "OpenText",
    "OpenThought",
    "is_whole",
    "place_of",
    "same_item",
    "thought_place",
]


class OpenItem:
    """An item that was announced."""

    __slots__ = ("__weakref__", "closed", "finished", "id", "kind", "memo", "output_index", "source_id")

    kind: str

    def __init__(self, output_index: int, id_: str, source_id: str | None, memo: dict[str, Any]) -> None:
        self.output_index = output_index
        self.id = id_
        self.source_id = source_id
        self.memo = memo
        self.finished = False
        """Nothing more will come; it closes as soon as all before it are closed."""
        self.closed = False


class OpenMessage(OpenItem):
    __slots__ = ("parts",)
    kind = "message"

    def __init__(self, output_index: int, id_: str, source_id: str | None, memo: dict[str, Any]) -> None:
        super().__init__(output_index, id_, source_id, memo)
        self.parts: list[OpenText] = []


_Item = TypeVar("_Item", bound=OpenItem)


class _PartOf(Generic[_Item]):
    """A part of an open item. The encoder holds the items, and an item its parts: if a part held its item, too, the
    whole reply would be a circle, which stays in memory until the garbage collector finds it."""

    __slots__ = ("_item",)

    def __init__(self, item: _Item) -> None:
        self._item = ref(item)

    @property
    def item(self) -> _Item:
        item = self._item()
        assert item is not None
        return item


class OpenText(_PartOf[OpenMessage]):
    """A text or refusal that is being written."""

    __slots__ = (
        "annotations", "citations", "index", "length", "logprobs", "pieces", "position", "refusal", "signature",
    )  # fmt: skip

    def __init__(self, item: OpenMessage, index: int | None, *, refusal: bool) -> None:
        super().__init__(item)
        self.index = index
        self.refusal = refusal
        self.position = len(item.parts)
        self.pieces: list[str] = []
        self.length = 0
        self.annotations: list[dict[str, Any]] = []
        self.citations: list[Citation] = []
        """Those about the whole text, whose length is known at its end."""
        self.logprobs: list[dict[str, Any]] = []
        self.signature: tuple[str, str | None] | None = None

    def written(self) -> dict[str, Any]:
        whole = "".join(self.pieces)
        if self.refusal:
            return {"type": "refusal", "refusal": whole}
        return {"type": "output_text", "annotations": self.annotations, "logprobs": self.logprobs, "text": whole}


class OpenReasoning(OpenItem):
    __slots__ = ("encrypted", "texts")
    kind = "reasoning"

    def __init__(self, output_index: int, id_: str, source_id: str | None, memo: dict[str, Any]) -> None:
        super().__init__(output_index, id_, source_id, memo)
        self.texts: list[OpenThought] = []
        self.encrypted: str | None = None


class OpenThought(_PartOf[OpenReasoning]):
    __slots__ = ("done", "index", "pieces", "position", "summary")

    def __init__(self, item: OpenReasoning, index: int | None, *, summary: bool) -> None:
        super().__init__(item)
        self.index = index
        self.summary = summary
        self.position = sum(text.summary == summary for text in item.texts)
        self.pieces: list[str] = []
        self.done = False


class OpenCall(OpenItem):
    __slots__ = ("call_id", "given", "part", "pieces", "reader", "tool")
    kind = "call"

    def __init__(
        self, output_index: int, id_: str, source_id: str | None, memo: dict[str, Any], tool: ToolName, call_id: str
    ) -> None:
        super().__init__(output_index, id_, source_id, memo)
        self.tool = tool
        self.call_id = call_id
        self.part = ToolCallPart()
        self.pieces: list[str] = []
        self.reader: CustomInputReader | None = None
        """Where the provider called a function in place of a custom tool: reads the free text from its arguments."""
        self.given: list[str] = []
        """What the reader has given."""


class OpenOpaque(OpenItem):
    __slots__ = ("item",)
    kind = "opaque"

    def __init__(self, output_index: int, id_: str, source_id: str | None, item: dict[str, Any]) -> None:
        super().__init__(output_index, id_, source_id, {})
        self.item = item


def same_item(item: OpenItem | None, part: Part) -> bool:
    return part.item_id is None or item is None or item.source_id is None or item.source_id == part.item_id


def place_of(current: OpenText) -> dict[str, Any]:
    item = current.item
    return {"item_id": item.id, "output_index": item.output_index, "content_index": current.position}


def thought_place(current: OpenThought) -> dict[str, Any]:
    item = current.item
    key = "summary_index" if current.summary else "content_index"
    return {"item_id": item.id, "output_index": item.output_index, key: current.position}


def is_whole(arguments: str, call: OpenCall) -> bool:
    """A JSON object can't go on; anything else might."""
    if call.part.kind == "custom" or not arguments.rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False
