"""Messages in the form of `gen_ai.input.messages` and `gen_ai.output.messages`, for traces that are to hold content.

An attribute holds at most `MOST_LETTERS` letters and `MOST_PARTS` parts, so that a long request neither holds up others
nor makes a batch that the collector refuses. Of a conversation the latest messages are kept, of a long text its
beginning; a `text` part states what is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_gateway_sdk import LLMRequest, LLMResponse, MediaPart, TextPart, ThinkingPart, Tool
from llm_gateway_sdk.parts import RefusalPart, ToolCallPart, ToolResultPart
from llm_gateway_sdk.wire import json

from .conventions import FINISH_REASONS

__all__ = [
    "MOST_LETTERS",
    "MOST_PARTS",
    "input_messages",
    "output_messages",
    "short",
    "system_instructions",
    "tool_definitions",
]

MOST_LETTERS = 1 << 18
"""Of one attribute: to write them takes two milliseconds, in which no other request goes on. Collectors take batches of
4 MiB by gRPC, and 20 MiB by HTTP."""
MOST_PARTS = 2000

_SYSTEM = ("system", "developer")


def input_messages(request: LLMRequest) -> str:
    room, found = _Room(), []
    messages = request.messages
    first = len(messages)
    while first and not room.is_full:
        first -= 1
        message = messages[first]
        if message.role not in _SYSTEM:
            if not message.content:
                room.take_part()  # a message takes room even where nothing is in it
            found.append({"role": message.role, "parts": _parts(message.content, room)})
    while first and messages[first - 1].role in _SYSTEM and first <= _MOST_INSTRUCTIONS:
        first -= 1
    if first:
        found.append({"role": "system", "parts": [_note(f"{first} earlier messages are left out")]})
    return json.dumps_text(found[::-1])


_MOST_INSTRUCTIONS = 100
"""Messages at the beginning that are looked at for whether they are instructions, which have their own attribute."""


def system_instructions(request: LLMRequest) -> str | None:
    """JSON of the instructions before the conversation; None where there are none."""
    room, parts = _Room(), list[dict[str, Any]]()
    for message in request.messages:
        if room.is_full:
            break
        room.take_part()
        if message.role in _SYSTEM:
            parts += _parts(message.content, room)
    return json.dumps_text(parts) if parts else None


def tool_definitions(request: LLMRequest) -> str | None:
    """JSON of the tools; None where there are none."""
    room, tools = _Room(), list[dict[str, Any]]()
    for tool in request.tools:
        if room.is_full:
            break
        room.take_part()
        if isinstance(tool, Tool):
            tools.append(
                {
                    "type": "function",
                    "name": room.cut(tool.name),
                    "description": None if tool.description is None else room.cut(tool.description),
                    "parameters": tool.parameters if room.holds(tool.parameters) else None,
                }
            )
    return json.dumps_text(tools) if tools else None


def output_messages(response: LLMResponse) -> str:
    room = _Room()
    found = [
        {
            "role": choice.message.role,
            "parts": _parts(choice.message.content, room),
            "finish_reason": FINISH_REASONS.get(choice.finish_reason or "", choice.finish_reason) or "unknown",
        }
        for choice in response.choices[:MOST_PARTS]
    ]
    return json.dumps_text(found)


def short(texts: list[str]) -> list[str]:
    """As many of the texts, and as much of them, as an attribute has room for."""
    room, found = _Room(), []
    for text in texts[:MOST_PARTS]:
        if room.is_full:
            break
        found.append(room.cut(text))
    return found


class _Room:
    """What an attribute still has room for."""

    def __init__(self) -> None:
        self._letters = MOST_LETTERS
        self._parts = MOST_PARTS

    @property
    def is_full(self) -> bool:
        return self._letters <= 0 or self._parts <= 0

    def take_part(self) -> None:
        self._parts -= 1

    def cut(self, text: str) -> str:
        """As much of a text as there is room for."""
        left = max(self._letters, 0)
        self._letters -= len(text)
        return text if len(text) <= left else f"{text[:left]}… ({len(text)} characters)"

    def holds(self, value: Any) -> bool:
        """Whether there is room for a whole text or JSON value, which takes it."""
        room, waiting = self._letters, [value]
        while waiting and room >= 0:
            one = waiting.pop()
            if isinstance(one, str):
                room -= len(one)
            elif isinstance(one, dict):
                room -= _LETTERS_OF_A_VALUE * len(one)
                if room >= 0:
                    waiting += one.keys()
                    waiting += one.values()
            elif isinstance(one, list):
                room -= _LETTERS_OF_A_VALUE * len(one)
                if room >= 0:
                    waiting += one
        if room < 0:
            return False
        self._letters = room
        return True


_LETTERS_OF_A_VALUE = 4


def _note(text: str) -> dict[str, Any]:
    return {"type": "text", "content": f"[{text}]"}


def _parts(content: Iterable[object], room: _Room) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in content:
        if room.is_full:
            found.append(_note("further parts are left out"))
            break
        room.take_part()
        written = _part(part, room)
        if written is not None:
            found.append(written)
    return found


def _part(part: object, room: _Room) -> dict[str, Any] | None:
    match part:
        case TextPart() | RefusalPart():
            return {"type": "text", "content": room.cut(part.text)}
        case ThinkingPart():
            return {"type": "reasoning", "content": room.cut(part.text)}
        case ToolCallPart():
            written = _arguments(part.arguments) if room.holds(part.arguments) else room.cut(part.arguments)
            return {"type": "tool_call", "id": room.cut(part.id), "name": room.cut(part.name), "arguments": written}
        case ToolResultPart():
            return {
                "type": "tool_call_response",
                "id": room.cut(part.tool_call_id),
                "response": _parts(part.content, room),
            }
        case MediaPart():
            return _media(part, room)
    return None


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _media(part: MediaPart, room: _Room) -> dict[str, Any]:
    if part.data is not None and not room.holds(part.data):
        return _note(f"{part.kind} of {len(part.data)} characters of base64 is left out")
    kind = {"modality": part.kind, "mime_type": None if part.media_type is None else room.cut(part.media_type)}
    if part.data is not None:
        return {"type": "blob", **kind, "content": part.data}
    if part.url is not None:
        return {"type": "uri", **kind, "uri": room.cut(part.url)}
    if part.file_id is not None:
        return {"type": "file", **kind, "file_id": room.cut(part.file_id)}
    return {"type": "text", "content": room.cut(part.text or "")}
