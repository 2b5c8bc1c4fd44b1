"""Edits stay edits: writes a changed body so that only what was changed differs from the bytes that came.

A plugin's edit happens on the canonical form. `merge_edit` compares how the dialect writes the form before and after
the edit, and applies the difference to the original JSON, so that key order, unknown fields and the spelling of numbers
stay as the client wrote them. The texts are taken apart only along the way to what differs; all else is copied.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.json import ARRAY, JSON, STRING, Slice

__all__ = ["merge_edit"]


def merge_edit(original: bytes, before: bytes, after: bytes) -> bytes:
    """`original` with the change from `before` to `after`. All three are JSON texts.

    Where the original's structure is not that of `before` (the dialect normalises it), the new value stands.
    """
    if before == after:
        return original
    return json.dumps(_merge(Slice(original), Slice(before), Slice(after)))


def _merge(original: Slice, before: Slice, after: Slice) -> JSON:
    if before == after:
        return original
    parts, old, new = json.slices(original), json.slices(before), json.slices(after)
    if isinstance(parts, dict) and isinstance(old, dict) and isinstance(new, dict):
        return _merge_objects(parts, old, new)
    if isinstance(parts, list) and isinstance(old, list) and isinstance(new, list) and len(parts) == len(old):
        return _merge_arrays(parts, old, new)
    edited = _edited_text(original, before, after)
    return after if edited is None else edited


def _merge_objects(original: dict[str, Slice], before: dict[str, Slice], after: dict[str, Slice]) -> dict[str, JSON]:
    merged: dict[str, JSON] = {}
    for key, value in original.items():
        if key in after:
            merged[key] = _merge(value, before[key], after[key]) if key in before else after[key]
        elif key not in before:
            merged[key] = value  # nothing that the dialect reads: not the edit's business
    for key, value in after.items():
        if key not in original and before.get(key) != value:
            merged[key] = value
    return merged


def _merge_arrays(original: list[Slice], before: list[Slice], after: list[Slice]) -> list[JSON]:
    if len(before) == len(after):
        return [_merge(*items) for items in zip(original, before, after, strict=True)]
    merged: list[JSON] = []
    matcher = SequenceMatcher(None, list(map(bytes, before)), list(map(bytes, after)), autojunk=False)
    for tag, from_before, to_before, from_after, to_after in matcher.get_opcodes():
        if tag == "equal":
            merged.extend(original[from_before:to_before])
        elif tag == "replace" and to_before - from_before == to_after - from_after:
            for offset in range(to_before - from_before):
                place = from_before + offset
                merged.append(_merge(original[place], before[place], after[from_after + offset]))
        elif tag in ("insert", "replace"):
            merged.extend(after[from_after:to_after])
    return merged


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
