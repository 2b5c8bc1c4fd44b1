"""Plain requests, read and written without looking at each message (`llm_gateway_sdk.dialects.plain`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import WireRequest
from llm_gateway_sdk.dialects.plain import ABSENT, LONGEST, PlainBody, PlainRequest, PlainTurn, alternate
from llm_gateway_sdk.wire import json

from .parts import NAME
from .versions import VERSION_2023

__all__ = ["read_plain", "write_turns"]

_COMMON = ("anthropic-version", VERSION_2023)
_SYSTEM = ("system", "developer")


class _Body(PlainBody, forbid_unknown_fields=True, omit_defaults=True):
    """Thinking and the form of the answer are left to the general way, which looks at the messages for them."""

    system: str | None = None
    model: json.Slice = ABSENT
    max_tokens: json.Slice = ABSENT
    temperature: json.Slice = ABSENT
    top_p: json.Slice = ABSENT
    top_k: json.Slice = ABSENT
    stop_sequences: json.Slice = ABSENT
    stream: json.Slice = ABSENT
    tools: json.Slice = ABSENT
    tool_choice: json.Slice = ABSENT
    metadata: json.Slice = ABSENT
    service_tier: json.Slice = ABSENT


_read = json.reader(_Body)


def read_plain(wire: WireRequest) -> PlainRequest | None:
    body = _read(wire.body) if len(wire.body) <= LONGEST else None
    if body is None or not (turns := body.messages):
        return None
    headers = wire.headers.items
    if _COMMON not in headers or "anthropic-beta" in dict(headers):
        return None
    if turns[0].role != "user":
        return None  # a system turn of the conversation is not the system prompt
    if body.system:
        turns.insert(0, PlainTurn("system", body.system))
    body.messages = body.system = None
    return PlainRequest(turns, json.dumps(body))


def write_turns(turns: Sequence[PlainTurn], sender: str) -> dict[str, Any] | None:
    """The API wants texts that are not blank. Only its own clients' are written as strings."""
    system = turns[0] if turns[0].role in _SYSTEM else None
    spoken = turns if system is None else turns[1:]
    if sender == NAME or not alternate(spoken):
        return None
    if any([turn.content.isspace() for turn in turns]):  # noqa: C419 — a generator is slower
        return None
    written: dict[str, Any] = {}
    if system is not None:
        written["system"] = [{"type": "text", "text": system.content}]
    written["messages"] = [{"role": turn.role, "content": [{"type": "text", "text": turn.content}]} for turn in spoken]
    return written
