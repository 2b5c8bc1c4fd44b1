"""Embedding requests as plugins see them, whatever vendor's shape they have.

They are never translated: plugins see each text that is to be embedded as a user message, the parts of one content as
parts of one, and all else of the body as the provider's own JSON, and what they change is put back in its place. So no
string of the body is hidden from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Echo,
    GatewayError,
    LLMRequest,
    Message,
    Part,
    TextPart,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

from .patch import merge_edit

__all__ = ["EmbeddingReader", "has_token_lists", "write_embedding"]

_BODY = "embedding"
"""Under this name `provider_metadata` has the body without its texts."""

_TEXTS = (
    "input", "inputs", "text", "texts", "content", "contents", "parts", "messages", "requests", "documents", "query",
    "inputText", "prompt", "instructions", "params", "body", "source", "request", "system", "systemInstruction",
    "system_instruction",
)  # fmt: skip
"""Fields on the way to what is embedded, of all APIs that have embeddings."""


class EmbeddingReader:
    """A reader in the place of a dialect, see `reading.py`."""

    def decode_request(self, wire: WireRequest) -> tuple[LLMRequest, Echo]:
        """Raises DialectError."""
        try:
            body = json.loads(wire.body)
        except ValueError as error:
            raise DialectError(f"not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise DialectError("expected a JSON object")
        model, user = body.get("model"), body.get("user")
        request = LLMRequest(model=model if isinstance(model, str) else "")
        request.user = user if isinstance(user, str) else None
        row: object = None
        for place in list(_places(body)):
            text = TextPart(place.holder[place.key])
            place.holder[place.key] = ""
            if place.row is None or place.row is not row:
                request.messages.append(
                    Message("tool", [ToolResultPart()]) if place.of_tool else Message("user", [])
                )  # fmt: skip
            row, message = place.row, request.messages[-1]
            last = message.content[-1] if message.content else None
            (last.content if isinstance(last, ToolResultPart) else message.content).append(text)
        request.provider_metadata = {_BODY: body}
        return request, Echo(request.model)

    def read_plain(self, wire: WireRequest) -> None:
        """Embeddings are not translated in this way."""


def write_embedding(original: bytes, request: LLMRequest) -> bytes:
    """The body with the texts as plugins left them. Raises GatewayError where their number has changed."""
    body = json.loads(json.dumps(request.provider_metadata.get(_BODY, {})))
    places = list(_places(body))
    texts = [text for message in request.messages for text in _texts_of(message.content)]
    if len(places) != len(texts):
        raise GatewayError(
            "A plugin added or removed inputs of an embedding request, which can't be expressed.", code="plugin_error"
        )
    for place, text in zip(places, texts, strict=True):
        place.holder[place.key] = text
    return merge_edit(original, json.dumps(json.loads(original)), json.dumps(body))


def has_token_lists(request: LLMRequest) -> bool:
    """Whether texts are given as the numbers of their tokens, which no plugin can read."""
    body = request.provider_metadata.get(_BODY, {})
    return any(_has_numbers(body.get(name)) for name in _TEXTS)


@dataclass(slots=True)
class _Place:
    """One text of the body."""

    holder: Any
    key: Any
    of_tool: bool
    """It is what a tool has answered."""
    row: object
    """Has it in common with the other parts of one content, which receivers join."""


def _places(value: Any, *, of_tool: bool = False, row: object = None) -> Iterator[_Place]:
    if isinstance(value, dict):
        of_tool = of_tool or value.get("role") == "tool" or value.get("type") == "tool_result"
        for name in _TEXTS:
            inner = value.get(name)
            if isinstance(inner, str):
                yield _Place(value, name, of_tool, row if name == "text" else None)
            elif isinstance(inner, list | dict):
                yield from _places(inner, of_tool=of_tool, row=object() if name in _ROWS else None)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if isinstance(inner, str):
                yield _Place(value, position, of_tool, None)
            elif isinstance(inner, list | dict):
                yield from _places(inner, of_tool=of_tool, row=row)


_ROWS = ("content", "parts", "system")


def _texts_of(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, TextPart):
            yield part.text
        elif isinstance(part, ToolResultPart):
            yield from _texts_of(part.content)


def _has_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, int | float) or _has_numbers(item) for item in value)
    return isinstance(value, dict) and any(_has_numbers(value.get(name)) for name in _TEXTS)
