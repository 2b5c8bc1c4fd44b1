"""Edits stay edits: writes a changed body so that only what was changed differs from the bytes that came.

A plugin's edit happens on the canonical form. `merge_edit` compares how the dialect writes the form before and after
the edit, and applies the difference to the original JSON, so that key order, unknown fields and the spelling of numbers
stay as the client wrote them.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

from llm_gateway_sdk.wire import json

__all__ = ["merge_edit"]


def merge_edit(original: bytes, before: bytes, after: bytes) -> bytes:
    """`original` with the change from `before` to `after`. All three are JSON texts.

    Where the original's structure is not that of `before` (the dialect normalises it), the new value stands.
    """
    if before == after:
        return original
    return json.dumps(_merge(json.loads_exact(original), json.loads(before), json.loads(after)))


def _merge(original: Any, before: Any, after: Any) -> Any:
    if before == after and type(before) is type(after):
        return original
    if isinstance(after, dict) and isinstance(before, dict) and isinstance(original, dict):
        return _merge_objects(original, before, after)
    if (
        isinstance(after, list)
        and isinstance(before, list)
        and isinstance(original, list)
        and len(original) == len(before)
    ):
        return _merge_arrays(original, before, after)
    if isinstance(original, str) and isinstance(before, list) and isinstance(after, list):
        # `"content": "text"` and `"content": [{"type": "text", "text": "text"}]` say the same.
        text = _single_text(after)
        if text is not None and _single_text(before) == original:
            return text
    if isinstance(original, list) and isinstance(before, str) and isinstance(after, str):
        texts = [part for part in original if isinstance(part, dict) and isinstance(part.get("text"), str)]
        if len(texts) == 1 and texts[0]["text"] == before:
            return [{**part, "text": after} if part is texts[0] else part for part in original]
    return after


def _merge_objects(original: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key, value in original.items():
        if key in after:
            merged[key] = _merge(value, before[key], after[key]) if key in before else after[key]
        elif key not in before:
            merged[key] = value  # nothing that the dialect reads: not the edit's business
    for key, value in after.items():
        if key not in original and (key not in before or before[key] != value):
            merged[key] = value
    return merged


def _merge_arrays(original: list[Any], before: list[Any], after: list[Any]) -> list[Any]:
    if len(before) == len(after):
        return [_merge(*items) for items in zip(original, before, after, strict=True)]
    merged: list[Any] = []
    keys_before = [json.dumps(item) for item in before]
    keys_after = [json.dumps(item) for item in after]
    matcher = SequenceMatcher(None, keys_before, keys_after, autojunk=False)
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


def _single_text(parts: list[Any]) -> str | None:
    if len(parts) == 1 and isinstance(parts[0], dict) and isinstance(parts[0].get("text"), str):
        text: str = parts[0]["text"]
        return text
    return None
