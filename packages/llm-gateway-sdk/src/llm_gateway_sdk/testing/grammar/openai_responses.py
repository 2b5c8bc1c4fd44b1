"""Is this a legal stream of the Responses API? A checker that shares no code with the dialect.

It reads events by the rules of server-sent events and follows OpenAI's reference of streaming events: names and types
agree, `sequence_number` rises by one, `response.created` is first, an item is announced before anything happens to it
and has its own `output_index`, a part is announced before its deltas, what is called done is the sum of its
deltas, and the reply at the end holds the items which were done.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["violations"]

_LINE_END = re.compile(r"\r\n|\n|\r")
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_ENVELOPES = ("response.created", "response.in_progress", "response.queued", *_ENDS)
_STATUS_OF_END = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}
# Deltas: (the item they are in, where its whole is called done, the done event's field).
_TEXTS = {
    "response.output_text": ("message", "text"),
    "response.refusal": ("message", "refusal"),
    "response.reasoning_text": ("reasoning", "text"),
    "response.reasoning_summary_text": ("reasoning", "text"),
}
_ARGUMENTS = {
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
}
_ITEM_FIELDS: dict[str, dict[str, type]] = {
    "message": {"id": str, "role": str, "status": str, "content": list},
    "reasoning": {"id": str, "summary": list},
    "function_call": {"id": str, "call_id": str, "name": str, "arguments": str},
    "custom_tool_call": {"id": str, "call_id": str, "name": str, "input": str},
    "tool_search_call": {"id": str, "status": str, "execution": str},
}


def violations(stream: bytes, *, complete: bool = True) -> list[str]:
    """What is wrong, in order; nothing for a legal stream.

    `complete` False is for a stream that broke off: its end is not asked for, but nothing may follow one.
    """
    checker = _Checker()
    for at, (name, data) in enumerate(_events(stream)):
        checker.event(at, name, data)
    return checker.finish(complete=complete)


class _Item:
    def __init__(self, announced: dict[str, Any]) -> None:
        self.kind = announced.get("type")
        self.id = announced.get("id")
        self.call_id = announced.get("call_id")
        self.done: dict[str, Any] | None = None
        self.texts: dict[tuple[str, int], str] = {}
        """Deltas so far by (event family, position); announced parts begin with an empty one."""
        self.parts: set[tuple[str, int]] = set()
        self.closed: set[tuple[str, int]] = set()
        self.arguments: str | None = None


class _Checker:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.sequence: int | None = None
        self.items: dict[int, _Item] = {}
        self.id: object = None
        self.end: str | None = None
        self.count = 0

    def event(self, at: int, name: str | None, data: str) -> None:
        if data == "[DONE]":
            return
        try:
            body = json.loads(data)
        except ValueError:
            self.found.append(f"event {at}: not JSON")
            return
        if not isinstance(body, dict) or not isinstance(body.get("type"), str):
            self.found.append(f"event {at}: no object with a type")
            return
        kind: str = body["type"]
        if name != kind:
            self._say(at, kind, f"its name is {name!r}")
        if kind == "keepalive":
            return
        if self.end is not None:
            self._say(at, kind, f"follows {self.end}")
        self._order(at, kind, body)
        self.count += 1
        if kind in _ENVELOPES:
            self._envelope(at, kind, body)
        elif kind == "error":
            self.end = kind
            if not isinstance(body.get("message"), str):
                self._say(at, kind, "no message")
        elif "output_index" in body:
            self._item_event(at, kind, body)

    def finish(self, *, complete: bool) -> list[str]:
        if complete and self.end is None:
            self.found.append("the stream does not end in response.completed, response.incomplete or an error")
        return self.found

    def _say(self, at: int, kind: str, what: str) -> None:
        self.found.append(f"event {at} ({kind}): {what}")

    def _order(self, at: int, kind: str, body: dict[str, Any]) -> None:
        number = body.get("sequence_number")
        if not isinstance(number, int):
            self._say(at, kind, f"sequence_number {number!r}")
        else:
            if self.sequence is not None and number != self.sequence + 1:
                self._say(at, kind, f"sequence_number {number} after {self.sequence}")
            self.sequence = number
        if self.count == 0 and kind not in ("response.created", "response.queued", "error"):
            self._say(at, kind, "the first event must be response.created")
        if self.count and kind == "response.created":
            self._say(at, kind, "a second one")

    def _envelope(self, at: int, kind: str, body: dict[str, Any]) -> None:
        response = body.get("response")
        if not isinstance(response, dict):
            self._say(at, kind, "no response object")
            return
        if self.id is None:
            self.id = response.get("id")
        if not isinstance(self.id, str) or response.get("id") != self.id:
            self._say(at, kind, f"the id is {response.get('id')!r}, was {self.id!r}")
        if kind not in _ENDS:
            return
        self.end = kind
        if response.get("status") != _STATUS_OF_END[kind]:
            self._say(at, kind, f"status {response.get('status')!r}")
        if kind == "response.failed":
            if not isinstance(response.get("error"), dict):
                self._say(at, kind, "no error")
            return
        for index, item in self.items.items():
            if item.done is None:
                self._say(at, kind, f"item {index} is not done")
        done = [_plain(item.done) for _, item in sorted(self.items.items())]
        output = response.get("output")
        if not isinstance(output, list) or [_plain(item) for item in output] != done:
            self._say(at, kind, "output differs from the items that were done")

    def _item_event(self, at: int, kind: str, body: dict[str, Any]) -> None:
        index = body["output_index"]
        item = self.items.get(index)
        if kind == "response.output_item.added":
            self._added(at, kind, index, body.get("item"))
            return
        if item is None:
            self._say(at, kind, f"item {index} was never announced")
            return
        if item.done is not None:
            self._say(at, kind, f"item {index} is done already")
        if kind == "response.output_item.done":
            self._done(at, kind, item, body.get("item"))
            return
        if "item_id" in body and body["item_id"] != item.id:
            self._say(at, kind, f"item_id {body['item_id']!r} of item {item.id!r}")
        family, _, verb = kind.rpartition(".")
        if family in _TEXTS and verb in ("delta", "done"):
            self._text(at, kind, item, family, verb, body)
        elif family in _ARGUMENTS and verb in ("delta", "done"):
            self._arguments(at, kind, item, family, verb, body)
        elif family in ("response.content_part", "response.reasoning_summary_part"):
            self._part(at, kind, item, verb, body)

    def _added(self, at: int, kind: str, index: Any, announced: Any) -> None:
        if not isinstance(announced, dict):
            self._say(at, kind, "no item")
            return
        if index in self.items:
            self._say(at, kind, f"output_index {index} is taken")
        if index != len(self.items):
            self._say(at, kind, f"output_index {index} after {len(self.items)} items")
        self.items[index] = _Item(announced)
        self._fields(at, kind, announced)

    def _fields(self, at: int, kind: str, item: dict[str, Any]) -> None:
        for name, type_ in _ITEM_FIELDS.get(str(item.get("type")), {}).items():
            if not isinstance(item.get(name), type_):
                self._say(at, kind, f"{item.get('type')}.{name} is {item.get(name)!r}")

    def _done(self, at: int, kind: str, item: _Item, whole: Any) -> None:
        if not isinstance(whole, dict):
            self._say(at, kind, "no item")
            return
        item.done = whole
        self._fields(at, kind, whole)
        if (whole.get("type"), whole.get("id"), whole.get("call_id")) != (item.kind, item.id, item.call_id):
            self._say(at, kind, "another item than was announced")
        for place in item.parts - item.closed:
            self._say(at, kind, f"part {place} is not done")
        if item.kind == "message":
            texts = [part.get("text", part.get("refusal")) for part in whole.get("content", [])]
            written = [text for _, text in sorted((place[1], text) for place, text in item.texts.items())]
            if texts != written:
                self._say(at, kind, "content differs from its deltas")
        elif item.kind == "reasoning":
            for family, key in (("response.reasoning_summary_text", "summary"), ("response.reasoning_text", "content")):
                texts = [part.get("text") for part in whole.get(key) or []]
                if texts != [text for place, text in sorted(item.texts.items()) if place[0] == family]:
                    self._say(at, kind, f"{key} differs from its deltas")
        elif item.arguments is not None and whole.get("arguments", whole.get("input")) != item.arguments:
            self._say(at, kind, "arguments differ from their deltas")

    def _text(self, at: int, kind: str, item: _Item, family: str, verb: str, body: dict[str, Any]) -> None:
        owner, field = _TEXTS[family]
        if item.kind != owner:
            self._say(at, kind, f"in an item of type {item.kind}")
        part = "summary" if "summary" in family else "content"
        index = body.get(f"{part}_index")
        if not isinstance(index, int):
            self._say(at, kind, f"{part}_index {index!r}")
            return
        place = (family, index)
        if (part, place[1]) not in item.parts:
            self._say(at, kind, f"{part} part {place[1]} was not announced")
        if (part, place[1]) in item.closed:
            self._say(at, kind, f"{part} part {place[1]} is done already")
        if verb == "delta":
            if not isinstance(body.get("delta"), str):
                self._say(at, kind, "no delta")
                return
            item.texts[place] = item.texts.get(place, "") + body["delta"]
        elif body.get(field) != item.texts.get(place, ""):
            self._say(at, kind, "differs from the deltas")

    def _arguments(self, at: int, kind: str, item: _Item, family: str, verb: str, body: dict[str, Any]) -> None:
        owner, field = _ARGUMENTS[family]
        if item.kind != owner:
            self._say(at, kind, f"in an item of type {item.kind}")
        if verb == "delta":
            item.arguments = (item.arguments or "") + str(body.get("delta"))
        else:
            item.arguments = item.arguments or ""
            if body.get(field) != item.arguments:
                self._say(at, kind, "differs from the deltas")

    def _part(self, at: int, kind: str, item: _Item, verb: str, body: dict[str, Any]) -> None:
        summary = "summary" in kind
        part = "summary" if summary else "content"
        index = body.get(f"{part}_index")
        what = body.get("part")
        if not isinstance(index, int) or not isinstance(what, dict):
            self._say(at, kind, "no part, or no index")
            return
        family = {
            "output_text": "response.output_text",
            "refusal": "response.refusal",
            "reasoning_text": "response.reasoning_text",
            "summary_text": "response.reasoning_summary_text",
        }.get(str(what.get("type")), "")
        if verb == "added":
            if (part, index) in item.parts:
                self._say(at, kind, f"{part} part {index} was announced before")
            if index != sum(place[0] == part for place in item.parts):
                self._say(at, kind, f"{part} part {index} out of order")
            item.parts.add((part, index))
            item.texts.setdefault((family, index), "")
            return
        if (part, index) not in item.parts or (part, index) in item.closed:
            self._say(at, kind, f"{part} part {index} is not open")
        item.closed.add((part, index))
        if what.get("text", what.get("refusal")) != item.texts.get((family, index)):
            self._say(at, kind, "differs from the deltas")


def _plain(item: Any) -> Any:
    """Without what the vendor encrypts anew each time that it writes the item."""
    return {key: value for key, value in item.items() if key != "encrypted_content"} if isinstance(item, dict) else item


def _events(stream: bytes) -> list[tuple[str | None, str]]:
    """(name, data) of each event, by the rules of server-sent events."""
    events: list[tuple[str | None, str]] = []
    name: str | None = None
    data: list[str] = []
    for line in _LINE_END.split(stream.decode("utf-8", "replace")):
        if not line:
            if data:
                events.append((name, "\n".join(data)))
            name, data = None, []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            name = value
        elif key == "data":
            data.append(value)
    return events
