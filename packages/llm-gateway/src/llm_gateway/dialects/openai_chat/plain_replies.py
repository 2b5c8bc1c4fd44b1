"""Replies that are one text, as nearly all are: read in C, without a look at each field.

What is read here is what `response.decode_body` gives, and the shape has no field for anything that it would leave
out: each word of such a reply is in the canonical form.
"""

from __future__ import annotations

from typing import Any, Literal

from llm_gateway_sdk.parts import TextPart
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse
from llm_gateway_sdk.values import UNSET, Unset, Value
from llm_gateway_sdk.wire import json

from .fields import NAME
from .usage import decode_usage

__all__ = ["has_no_other_words", "read_plain_reply"]

_LONGEST = 16 * 1024
"""Bytes of a body that is read in one go."""


class _Message(Value, forbid_unknown_fields=True):
    content: str
    role: Literal["assistant"] | Unset = UNSET
    refusal: Unset | None = UNSET
    annotations: tuple[()] | Unset | None = UNSET
    tool_calls: tuple[()] | Unset | None = UNSET


class _Choice(Value, forbid_unknown_fields=True):
    index: int
    message: _Message
    finish_reason: Literal["stop", "length"]
    logprobs: Unset | None = UNSET


class _Reply(Value, forbid_unknown_fields=True):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: tuple[_Choice]
    usage: dict[str, int | dict[str, int | None] | None] | Unset = UNSET
    service_tier: str | Unset | None = UNSET
    system_fingerprint: str | Unset | None = UNSET


_read = json.reader(_Reply)


def read_plain_reply(data: bytes) -> LLMResponse | None:
    """None for any other reply."""
    reply = _read(data) if len(data) <= _LONGEST else None
    if reply is None:
        return None
    choice = reply.choices[0]
    text = choice.message.content
    if not text:
        return None
    tier = reply.service_tier if isinstance(reply.service_tier, str) else None
    usage = decode_usage(reply.usage)
    if usage is not None and tier is not None:
        usage.service_tier = tier
    end = choice.finish_reason
    message = Message("assistant", [TextPart(text, [], index=0)])
    response = LLMResponse(reply.id, reply.model, reply.created, [Choice(choice.index, message, end, end)], usage, tier)
    fingerprint: Any = reply.system_fingerprint
    if fingerprint is not None and fingerprint is not UNSET:
        response.provider_metadata = {NAME: {"system_fingerprint": fingerprint}}
    return response


def has_no_other_words(data: bytes) -> bool:
    """Whether a reply is such a one, and has no key twice: each word of it is in what is read."""
    reply = _read(data) if len(data) <= _LONGEST else None
    # A key that is written twice is read once, and has fewer quotation marks then.
    return reply is not None and data.find(b"\\u0022") < 0 and data.count(b'"') == json.dumps(reply).count(b'"')
