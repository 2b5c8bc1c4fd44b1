"""Canonical requests and replies as compact JSON values: what is unset is left out, every part has its type.

The form is the SDK's, field for field in snake_case, so that SQL and the dashboard read every dialect alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple

from llm_gateway_sdk import (
    LLMRequest,
    LLMResponse,
    MediaPart,
    Message,
    OpaquePart,
    OpaqueTool,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.parts import ProviderMetadata

__all__ = ["dump_request", "dump_response"]

_TYPES: dict[type, str] = {
    TextPart: "text",
    RefusalPart: "refusal",
    ThinkingPart: "thinking",
    ToolCallPart: "tool_call",
    ToolResultPart: "tool_result",
    MediaPart: "media",
    OpaquePart: "opaque",
    Tool: "tool",
    OpaqueTool: "opaque_tool",
}


def dump_request(request: LLMRequest) -> dict[str, Any]:
    dumped = _dump(request, skip=("messages",))
    dumped["messages"] = [_dump_message(message) for message in request.messages]
    return dumped


def dump_response(response: LLMResponse) -> dict[str, Any]:
    dumped = _dump(response, skip=("choices", "final", "provider_deltas"))
    dumped["choices"] = [
        {**_dump(choice, skip=("message",)), "index": choice.index, "message": _dump_message(choice.message)}
        for choice in response.choices
    ]
    return dumped


def _dump_message(message: Message) -> dict[str, Any]:
    dumped: dict[str, Any] = {"role": message.role, "content": [_dump_part(part) for part in message.content]}
    if message.name is not None:
        dumped["name"] = message.name
    if metadata := _dump_metadata(message.provider_metadata):
        dumped["provider_metadata"] = metadata
    return dumped


def _dump_part(part: Part) -> dict[str, Any]:
    if type(part) is TextPart and not (
        part.citations or part.signature or part.cache or part.provider_metadata or part.item_id
    ):
        return {"type": "text", "text": part.text}  # most parts are this
    return _dump(part)


def _dump(value: Any, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    plan = _plans.get(type(value)) or _plan_of(type(value))
    dumped: dict[str, Any] = {"type": plan.type} if plan.type else {}
    for name, default, held in zip(plan.names, plan.defaults, plan.read(value), strict=True):
        if held is None or held is default or held == default or name in skip:
            continue
        if type(held) in _SCALARS:
            dumped[name] = held
        elif name != "provider_metadata":
            dumped[name] = _dump_value(held)
        elif metadata := _dump_metadata(held):
            dumped[name] = metadata
    return dumped


def _dump_metadata(metadata: ProviderMetadata) -> ProviderMetadata:
    """Without the dialects' notes to themselves, whose names begin with an underscore."""
    if not metadata:
        return metadata
    kept = {
        dialect: {key: value for key, value in values.items() if not key.startswith("_")}
        for dialect, values in metadata.items()
    }
    return {dialect: values for dialect, values in kept.items() if values}


def _dump_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_dump_value(one) for one in value]
    if isinstance(value, dict):
        return value  # the vendor's own JSON
    return _dump(value) if is_dataclass(value) and not isinstance(value, type) else value


class _Plan(NamedTuple):
    """What is to be known of a class of values, looked up once."""

    type: str | None
    names: tuple[str, ...]
    defaults: tuple[Any, ...]
    read: Callable[[Any], tuple[Any, ...]]


_SCALARS: Final = frozenset({str, int, float, bool})
_plans: dict[type, _Plan] = {}


def _plan_of(kind: type) -> _Plan:
    known = [one for one in fields(kind) if one.name != "index"]
    names = tuple(one.name for one in known)
    read = attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, name) for name in names)
    plan = _plans[kind] = _Plan(_TYPES.get(kind), names, tuple(_default_of(one) for one in known), read)
    return plan


def _default_of(field: Any) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default
