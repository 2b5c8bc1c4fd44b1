"""Chunks of bounded length: what comes at once, a whole reply or one large event, goes on in slices.

Hooks and encoders work on a chunk at a time, and hold the event loop meanwhile. A slice is a chunk like any other: the
sum of the slices equals the chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from time import perf_counter

from llm_gateway_sdk import (
    Choice,
    LLMResponse,
    Message,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.parts import Part
from llm_gateway_sdk.values import replace

__all__ = ["in_slices", "slices"]

_LETTERS = 4096
"""Of one text in a slice: the dearest plugin needs a few milliseconds for so many."""
_PARTS = 16
_TURN_SECONDS = 0.002


async def in_slices(chunks: Iterable[LLMResponse]) -> AsyncGenerator[list[LLMResponse], None]:
    """The chunks, slice by slice; other requests have their turn in between."""
    began = perf_counter()
    for chunk in chunks:
        for piece in slices(chunk):
            yield [piece]
            if perf_counter() - began > _TURN_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()


def slices(chunk: LLMResponse) -> Iterator[LLMResponse]:
    """The chunk itself where it is short, else the parts of each choice in order, its end, and then all else.

    A choice ends before the next begins: what a plugin holds of it then goes out, and does not add up over all.
    """
    if not _is_long(chunk):
        yield chunk
        return
    last: list[Choice] = []
    for choice in chunk.choices:
        if last:
            yield LLMResponse(chunk.id, chunk.model, chunk.created, last)
        message = choice.message
        for part in _numbered(message.content):
            for piece in _part_slices(part):
                one = Choice(choice.index, Message(message.role, [piece]))
                yield LLMResponse(chunk.id, chunk.model, chunk.created, [one])
        last = [replace(choice, message=replace(message, content=[]))]
    yield replace(chunk, choices=last)


def _is_long(chunk: LLMResponse) -> bool:
    if len(chunk.choices) > _PARTS:
        return True
    for choice in chunk.choices:
        content = choice.message.content
        if len(content) > _PARTS:
            return True
        for part in content:
            if len(_text_of(part)) > _LETTERS:
                return True
    return False


def _numbered(parts: list[Part]) -> list[Part]:
    """The parts of a whole reply have no numbers, or all the same, and would be taken for pieces of one."""
    if len({part.index for part in parts}) == len(parts) and all(part.index is not None for part in parts):
        return parts
    return [replace(part, index=number) for number, part in enumerate(parts)]


def _text_of(part: Part) -> str:
    match part:
        case TextPart() | RefusalPart() | ThinkingPart():
            return part.text
        case ToolCallPart():
            return part.arguments
    return ""


def _part_slices(part: Part) -> Iterator[Part]:
    """The first has what names the part, the last what ends it, such as its signature."""
    text = _text_of(part)
    pieces = [text[start : start + _LETTERS] for start in range(0, len(text), _LETTERS)]
    if len(pieces) < 2:
        yield part
        return
    match part:
        case TextPart():
            for piece in pieces[:-1]:
                yield replace(part, text=piece, citations=[], signature=None, signed_by=None)
            yield replace(part, text=pieces[-1])
        case RefusalPart():
            for piece in pieces[:-1]:
                yield replace(part, text=piece, signature=None, signed_by=None)
            yield replace(part, text=pieces[-1])
        case ThinkingPart():
            for piece in pieces[:-1]:
                yield replace(part, text=piece, redacted=None, signature=None, signed_by=None)
            yield replace(part, text=pieces[-1])
        case ToolCallPart():
            yield replace(part, arguments=pieces[0], signature=None, signed_by=None)
            for piece in pieces[1:-1]:
                yield replace(part, id="", name="", arguments=piece, signature=None, signed_by=None)
            yield replace(part, id="", name="", arguments=pieces[-1])
