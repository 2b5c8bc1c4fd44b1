"""Counts and numbers of a request within the bounds of its receiver.

How many stop sequences, tools, cache marks and answers, how long a key of the metadata, how large a seed. What goes
beyond a bound is left out or brought within it, and reported; what is within stays the very same object. The bounds
are data of the receiver (`receiver.Bounds`), with their sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..losses import Losses
from ..parts import CacheHint, ToolCallPart
from ..request import LLMRequest, Message, OpaqueTool, Tool, ToolLike
from ..values import replace
from ..wire import json
from ..wire.digests import text_digest
from .model_fit import JSON_SCHEMA, instructed
from .receiver import Bounds, Receiver

__all__ = ["fit_bounds", "fit_cache_marks", "fit_json_with_tools", "fit_tool_count"]


def fit_bounds(request: LLMRequest, receiver: Receiver, losses: Losses) -> LLMRequest:
    """The request with its numbers within the bounds; the same object where they are."""
    bounds, changes = receiver.bounds, dict[str, Any]()
    if request.stop:
        stop = _stop(request.stop, receiver, losses)
        if len(stop) != len(request.stop):
            changes["stop"] = stop
    if request.n is not None and bounds.answers is not None and request.n > bounds.answers:
        losses.clamped("n", f"{request.n} became {bounds.answers}")
        changes["n"] = bounds.answers
    if request.seed is not None and bounds.seed is not None and not -bounds.seed <= request.seed < bounds.seed:
        changes["seed"] = request.seed % bounds.seed
        losses.converted("seed", f"{changes['seed']}, which the provider takes")
    if request.top_k is not None and bounds.top_k is not None and request.top_k > bounds.top_k:
        losses.clamped("top_k", f"{request.top_k} became {bounds.top_k}")
        changes["top_k"] = bounds.top_k
    most = bounds.max_tokens
    if request.max_tokens is not None and most is not None and request.max_tokens > most:
        losses.clamped("max_tokens", f"{request.max_tokens} became {most}, the model's maximum")
        changes["max_tokens"] = most
    if request.metadata and bounds.metadata is not None:
        metadata = _metadata(request.metadata, bounds.metadata, losses)
        if len(metadata) != len(request.metadata):
            changes["metadata"] = metadata
    key = request.cache_key
    if key is not None and bounds.cache_key is not None and len(key) > bounds.cache_key:
        losses.converted("cache_key", "a hash of a key that is longer than the provider takes")
        changes["cache_key"] = text_digest(key)[: bounds.cache_key]
    if request.parallel_tool_calls is not None and not bounds.parallel_tools:
        if request.parallel_tool_calls is False:
            losses.converted("parallel_tool_calls", "the model makes one call at a time")
        changes["parallel_tool_calls"] = None
    return replace(request, **changes) if changes else request


def _stop(words: Sequence[str], receiver: Receiver, losses: Losses) -> list[str]:
    stop = [word for word in words if word and (receiver.blank_texts or not word.isspace())]
    if len(stop) != len(words):
        losses.dropped("stop", "blank stop sequences")
    most = receiver.bounds.stop
    if most is not None and len(stop) > most:
        losses.clamped("stop", f"the first {most}")
        stop = stop[:most]
    return stop


def _metadata(values: dict[str, Any], limits: tuple[int, int, int], losses: Losses) -> dict[str, Any]:
    count, key_length, value_length = limits
    kept: dict[str, Any] = {}
    for key, value in values.items():
        too_long = len(key) > key_length or (isinstance(value, str) and len(value) > value_length)
        if too_long or len(kept) == count:
            losses.dropped(f"metadata.{key[:80]}", "longer than the provider takes" if too_long else f"after {count}")
        else:
            kept[key] = value
    return kept


def fit_json_with_tools(request: LLMRequest, losses: Losses) -> LLMRequest:
    """The form of the answer asked for in words, for a model that takes it or tools."""
    wanted = request.response_format
    if wanted is None or wanted.kind == "text":
        return request
    losses.converted("response_format", "asked for in the system prompt: the model takes it or tools")
    words = JSON if wanted.schema is None else JSON_SCHEMA + json.dumps_text(wanted.schema)
    return replace(request, response_format=None, messages=instructed(request.messages, [words]))


JSON = "Answer with one JSON value and nothing else, unless you call a tool."


# Tools.


def fit_tool_count(request: LLMRequest, bounds: Bounds, losses: Losses) -> list[ToolLike]:
    """The tools, each name once, and no more than the receiver takes; the same list where it takes all.

    Where there are too many those go first that the conversation has called or the choice names, then the first ones.
    """
    tools = request.tools
    names = [_name_of(tool) for tool in tools]
    if len(set(names)) == len(names) and (bounds.tools is None or len(tools) <= bounds.tools):
        return tools
    seen: set[str] = set()
    kept: list[ToolLike] = []
    for tool, name in zip(tools, names, strict=True):
        if name not in seen:
            kept.append(tool)
        elif tool != next(one for one in kept if _name_of(one) == name):
            losses.dropped("tools[*]", f"another tool of the name {name}"[:80])
        seen.add(name)
    if bounds.tools is None or len(kept) <= bounds.tools:
        return kept
    needed = _needed(request)
    ranked = sorted(range(len(kept)), key=lambda place: (_name_of(kept[place]) not in needed, place))
    chosen = set(ranked[: bounds.tools])
    for place, tool in enumerate(kept):
        if place not in chosen:
            losses.dropped("tools[*]", f"{_name_of(tool)}: the provider takes {bounds.tools} tools"[:120])
    return [tool for place, tool in enumerate(kept) if place in chosen]


def _name_of(tool: ToolLike) -> str:
    if isinstance(tool, OpaqueTool):
        return f"{tool.dialect} {tool.data}"
    return tool.name if tool.namespace is None else f"{tool.namespace}.{tool.name}"


def _needed(request: LLMRequest) -> set[str]:
    called = {part.name for message in request.messages for part in message.content if isinstance(part, ToolCallPart)}
    choice = request.tool_choice
    return called if choice is None else called | {*choice.names, choice.name or ""}


# Cache marks.


def fit_cache_marks(request: LLMRequest, most: int, losses: Losses) -> LLMRequest:
    """The request with at most `most` cache marks, and none of a longer life after one of a shorter.

    The first mark stays, which holds what changes least, and the last ones, from which the next turn goes on.
    """
    places = [*_tool_marks(request.tools), *_message_marks(request.messages)]
    room = most - (request.cache is not None)
    marks = [_mark_at(request, place) for place in places]
    dropped = set(places[1 : len(places) - room + 1]) if len(places) > room else set()
    changed: dict[tuple[int, ...], CacheHint | None] = dict.fromkeys(dropped)
    short = False
    for place, mark in zip(places, marks, strict=True):
        if place in dropped:
            continue
        if short and _is_long(mark):
            losses.converted("messages[*].content[*].cache", "a short life, after another mark of a short life")
            changed[place] = CacheHint(None)
        short = short or not _is_long(mark)
    if dropped:
        losses.dropped("messages[*].content[*].cache", f"the provider takes {most} marks")
    return _with_marks(request, changed) if changed else request


def _is_long(mark: CacheHint) -> bool:
    return mark.ttl not in (None, "5m", "30m")


def _tool_marks(tools: Sequence[ToolLike]) -> list[tuple[int, ...]]:
    return [(place,) for place, tool in enumerate(tools) if isinstance(tool, Tool) and tool.cache is not None]


def _message_marks(messages: Sequence[Message]) -> list[tuple[int, ...]]:
    found = [
        (message.role not in ("system", "developer"), turn, place)
        for turn, message in enumerate(messages)
        for place, part in enumerate(message.content)
        if part.cache is not None
    ]
    return [(turn, place) for _, turn, place in sorted(found)]


def _mark_at(request: LLMRequest, place: tuple[int, ...]) -> CacheHint:
    if len(place) == 1:
        tool = request.tools[place[0]]
        mark = tool.cache if isinstance(tool, Tool) else None
    else:
        mark = request.messages[place[0]].content[place[1]].cache
    assert mark is not None
    return mark


def _with_marks(request: LLMRequest, changed: dict[tuple[int, ...], CacheHint | None]) -> LLMRequest:
    tools, messages = list(request.tools), list(request.messages)
    for place, mark in changed.items():
        if len(place) == 1:
            tool = tools[place[0]]
            assert isinstance(tool, Tool)
            tools[place[0]] = replace(tool, cache=mark)
        else:
            turn, part = place
            content = list(messages[turn].content)
            content[part] = replace(content[part], cache=mark)
            messages[turn] = replace(messages[turn], content=content)
    return replace(request, tools=tools, messages=messages)
