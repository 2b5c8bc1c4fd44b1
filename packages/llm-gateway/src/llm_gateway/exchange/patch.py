"""Edits stay edits: writes a changed body so that only what was changed differs from the bytes that came.

A plugin's edit happens on the canonical form. `merge_edit` compares how the dialect writes the form before and after
the edit, and applies the difference to the original JSON, so that key order, unknown fields and the spelling of numbers
stay as the client wrote them. The texts are taken apart only along the way to what differs; all else is copied.

`merge_seen` does the same and lets nothing through that the dialect has not read: a plugin that edits has seen the
canonical form only. A word of the original stays where the dialect writes the same word in the same place, else what
the dialect writes is taken. So each string of the result is one that the canonical form holds.

The work grows with the length of the texts, not with its square: lists of different lengths are aligned by their equal
ends and by items that occur once.
"""

from __future__ import annotations

from llm_gateway_sdk.text_exclusions import is_long_number
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.json import ARRAY, JSON, OBJECT, STRING, Slice
from llm_gateway_sdk.wire.long_texts import LONG_BODY, LongTexts

from .alignment import equal_runs

__all__ = ["Comparison", "merge_edit", "merge_seen"]

_BEYOND = LONG_BODY + 1


def merge_edit(original: bytes, before: bytes, after: bytes) -> bytes:
    """`original` with the change from `before` to `after`. All three are JSON texts.

    Where the original's structure is not that of `before` (the dialect normalises it), the new value is taken.
    """
    if before == after:
        return original
    if original[LONG_BODY:_BEYOND]:
        return _merged_by_marks(original, before, after, seen_only=False)
    return json.dumps(_Merge(seen_only=False).values(Slice(original), Slice(before), Slice(after)))


def merge_seen(original: bytes, before: bytes, after: bytes) -> bytes:
    """As `merge_edit`, without what of `original` has no counterpart in `before`, unless it holds no words."""
    if original[LONG_BODY:_BEYOND]:
        return _merged_by_marks(original, before, after, seen_only=True)
    return json.dumps(_Merge(seen_only=True).values(Slice(original), Slice(before), Slice(after)))


def _merged_by_marks(original: bytes, before: bytes, after: bytes, *, seen_only: bool) -> bytes:
    """Long strings are merged by marks, and come back as the original spells them."""
    texts = LongTexts(json.loads)
    came, old, new = [Slice(texts.cut_out(data)) for data in (original, before, after)]
    return texts.put_back(json.dumps(_Merge(seen_only=seen_only).values(came, old, new)))


class Comparison:
    """A body that came, compared with what a dialect writes of it. Raises ValueError where it is not valid JSON."""

    __slots__ = ("_data", "_texts", "_value")

    def __init__(self, data: bytes) -> None:
        self._texts: LongTexts | None = None
        if data[LONG_BODY:_BEYOND]:
            self._texts = LongTexts(json.loads)
            data = self._texts.cut_out(data)
        self._data = data
        self._value = json.loads(data)

    @property
    def has_duplicate_keys(self) -> bool:
        """Whether an object has a key twice, of which no reader can know which one another reader takes."""
        data = self._data
        # A key that is written twice is read once, and has fewer quotation marks then.
        plain = b"\\u0022" not in data
        if plain and data.count(b'"') == json.dumps(self._value).count(b'"'):
            return False
        return json.has_duplicate_keys(data)

    def is_same(self, written: bytes) -> bool:
        """Whether both say the same, but for what carries no words and the dialect leaves out, such as nulls."""
        if self._texts is not None:
            written = self._texts.cut_out(written)
        return _covers(json.loads(written), self._value, exact=True)

    def is_covered(self, written: bytes) -> bool:
        """Whether `written` has all words of it in their places, and perhaps more."""
        if self._texts is not None:
            written = self._texts.cut_out(written)
        return _covers(json.loads(written), self._value, exact=False)


def _covers(written: JSON, value: JSON, *, exact: bool) -> bool:
    if written == value:
        return True
    if isinstance(value, dict) and isinstance(written, dict):
        found = 0
        for key, inner in value.items():
            if key not in written:
                if (inner and isinstance(inner, str | list | dict)) or is_long_number(inner):
                    return False
                continue
            found += 1
            other = written[key]
            if other != inner and not _covers(other, inner, exact=exact):
                return False
        return found == len(written) or not exact
    if isinstance(value, list) and isinstance(written, list):
        return len(value) == len(written) and all(
            other == inner or _covers(other, inner, exact=exact) for other, inner in zip(written, value, strict=True)
        )
    return False


class _Merge:
    """One merging. `seen_only`: what the dialect has not read is left out."""

    def __init__(self, *, seen_only: bool) -> None:
        self._seen_only = seen_only

    def values(self, original: Slice, before: Slice, after: Slice) -> JSON:
        if before == after and (not self._seen_only or original == before):
            return original
        kind = json.first_byte(original)
        if kind == json.first_byte(before) == json.first_byte(after):
            if kind == OBJECT:
                return self._objects(_members(original), _members(before), _members(after))
            if kind == ARRAY:
                parts, old, new = _items(original), _items(before), _items(after)
                if len(parts) == len(old):
                    return self._arrays(parts, old, new)
                return original if before == after and not self._seen_only else after
        if before == after:
            return original if _is_same(original, before) else after
        edited = _edited_text(original, before, after)
        return after if edited is None else edited

    def _objects(
        self, original: dict[str, Slice], before: dict[str, Slice], after: dict[str, Slice]
    ) -> dict[str, JSON]:
        merged: dict[str, JSON] = {}
        has_dropped = False
        for key, value in original.items():
            if key in after:
                merged[key] = self.values(value, before[key], after[key]) if key in before else after[key]
            elif key not in before:
                # Nothing that the dialect reads: not the edit's business, unless it must have been seen.
                if not self._seen_only or _is_wordless(value):
                    merged[key] = value
                else:
                    has_dropped = True
        for key, value in after.items():
            # What was left out may be in another field of the canonical form, which the dialect spells in its own way.
            if key not in original and (before.get(key) != value or (has_dropped and not _is_wordless(value))):
                merged[key] = value
        return merged

    def _arrays(self, original: list[Slice], before: list[Slice], after: list[Slice]) -> list[JSON]:
        if len(before) == len(after):
            return [self.values(*items) for items in zip(original, before, after, strict=True)]
        merged: list[JSON] = []
        at_before = at_after = 0
        runs = equal_runs(list(map(bytes, before)), list(map(bytes, after)))
        for old, new, length in [*runs, (len(before), len(after), 0)]:
            if old - at_before == new - at_after:
                for offset in range(old - at_before):
                    place = at_before + offset
                    merged.append(self.values(original[place], before[place], after[at_after + offset]))
            else:
                merged.extend(after[at_after:new])
            for offset in range(length):
                merged.append(self.values(original[old + offset], before[old + offset], after[new + offset]))
            at_before, at_after = old + length, new + length
        return merged


def _members(data: Slice) -> dict[str, Slice]:
    members = json.slices(data)
    return members if isinstance(members, dict) else {}


def _items(data: Slice) -> list[Slice]:
    items = json.slices(data)
    return items if isinstance(items, list) else []


def _is_wordless(value: Slice) -> bool:
    """Whether a JSON value can't carry text: null, a boolean, a small number, or nothing at all."""
    written = bytes(value).strip()
    if written in (b"[]", b"{}", b'""'):
        return True
    return json.first_byte(value) not in (STRING, ARRAY, OBJECT) and not is_long_number(json.loads(written))


def _is_same(original: Slice, before: Slice) -> bool:
    """Whether the original equals what the dialect writes, or has numbers and the like there, which carry no words."""
    if original == before or json.first_byte(original) not in (STRING, ARRAY, OBJECT):
        return True
    value, written = _value(original), _value(before)
    if value == written:
        return True
    single = [{"type": "text", "text": written}] if isinstance(written, str) else None
    if single is not None and value == single:
        return True
    return isinstance(value, str) and isinstance(written, list) and written == [{"type": "text", "text": value}]


def _edited_text(original: Slice, before: Slice, after: Slice) -> JSON | None:
    """`"content": "text"` and `"content": [{"type": "text", "text": "text"}]` say the same: the edited text in the
    form that the original has; None where it is not such a case."""
    kinds = json.first_byte(original), json.first_byte(before), json.first_byte(after)
    if kinds == (STRING, ARRAY, ARRAY):
        text = _single_text(_value(after))
        return text if text is not None and _single_text(_value(before)) == _value(original) else None
    if kinds == (ARRAY, STRING, STRING):
        parts = json.loads_exact(bytes(original))
        texts = [part for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        if len(texts) == 1 and texts[0]["text"] == _value(before):
            return [{**part, "text": _value(after)} if part is texts[0] else part for part in parts]
    return None


def _value(text: Slice) -> JSON:
    return json.loads(bytes(text))


def _single_text(parts: list[JSON]) -> str | None:
    if len(parts) == 1 and isinstance(parts[0], dict) and isinstance(parts[0].get("text"), str):
        text: str = parts[0]["text"]
        return text
    return None
