"""Signatures of calls that travel through a client of Converse in blocks of reasoning.

Gemini signs calls and wants each signature back; a `toolUse` block has no field for it, and clients drop fields that
they do not know. So `gw1.<dialect>.tool:<signature>` goes before the call as reasoning without text, which they keep.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.parts import Part, ThinkingPart, ToolCallPart
from llm_gateway_sdk.signatures import wrap_signature

from .media import NAME

__all__ = ["carried_signature", "carrier_of", "settle_carriers"]

OF_TOOL = "tool:"


def carried_signature(part: ToolCallPart) -> str | None:
    """The wrapped signature that goes before the call; None where the call has none."""
    if part.signature is None or part.signed_by == NAME:
        return None
    return wrap_signature(OF_TOOL + part.signature, part.signed_by or "unknown", NAME)


def carrier_of(part: Part) -> dict[str, Any] | None:
    """The block before a call in a whole reply."""
    carried = carried_signature(part) if isinstance(part, ToolCallPart) else None
    if carried is None:
        return None
    return {"reasoningContent": {"reasoningText": {"text": "", "signature": carried}}}


def settle_carriers(parts: list[Part]) -> list[Part]:
    """The turn with each carried signature on its call, and without the carriers.

    It goes to the first call after it that has none, else (a client may reorder) to the first before it.
    """
    if not any(_carried(part) for part in parts):
        return parts
    calls = [(place, part) for place, part in enumerate(parts) if isinstance(part, ToolCallPart)]
    for place, part in enumerate(parts):
        carried = _carried(part)
        if carried is None:
            continue
        free = [(at < place, at, call) for at, call in calls if call.signature is None]
        if free:
            home = min(free, key=lambda each: each[:2])[2]
            home.signature, home.signed_by = carried, part.signed_by
    return [part for part in parts if _carried(part) is None]


def _carried(part: Part) -> str | None:
    if not isinstance(part, ThinkingPart) or part.text or part.signature is None or part.signed_by == NAME:
        return None
    return part.signature[len(OF_TOOL) :] if part.signature.startswith(OF_TOOL) else None
