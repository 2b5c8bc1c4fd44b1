"""Plain requests, read and written without looking at each message (`llm_gateway_sdk.dialects.plain`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk.dialect import WireRequest
from llm_gateway_sdk.dialects.plain import ABSENT, LONGEST, PlainBody, PlainRequest, PlainTurn, alternate
from llm_gateway_sdk.wire import json

__all__ = ["read_plain", "write_turns"]


class _Body(PlainBody, forbid_unknown_fields=True, omit_defaults=True):
    """Reasoning and the form of the answer are left to the general way, which looks at the messages for them."""

    model: json.Slice = ABSENT
    max_tokens: json.Slice = ABSENT
    max_completion_tokens: json.Slice = ABSENT
    temperature: json.Slice = ABSENT
    top_p: json.Slice = ABSENT
    stop: json.Slice = ABSENT
    stream: json.Slice = ABSENT
    stream_options: json.Slice = ABSENT
    tools: json.Slice = ABSENT
    tool_choice: json.Slice = ABSENT
    user: json.Slice = ABSENT
    safety_identifier: json.Slice = ABSENT


_read = json.reader(_Body)


def read_plain(wire: WireRequest) -> PlainRequest | None:
    body = _read(wire.body) if len(wire.body) <= LONGEST else None
    if body is None or not (turns := body.messages):
        return None
    body.messages = None
    return PlainRequest(turns, json.dumps(body))


def write_turns(turns: Sequence[PlainTurn], sender: str) -> dict[str, Any] | None:
    return {"messages": turns} if alternate(turns[1:] if turns[0].role == "system" else turns) else None
