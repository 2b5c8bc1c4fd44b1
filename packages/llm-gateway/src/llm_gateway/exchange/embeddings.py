"""Embedding requests as plugins see them, whatever vendor's shape they have.

They are never translated: plugins see each text that is to be embedded as a user message and all else of the body as
the provider's own JSON, and what they change is put back in its place. So no string of the body is hidden from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_gateway_sdk import DialectError, Echo, GatewayError, LLMRequest, Message, TextPart, WireRequest
from llm_gateway_sdk.wire import json

from .patch import merge_edit

__all__ = ["EmbeddingReader", "has_token_lists", "write_embedding"]

_BODY = "embedding"
"""Under this name `provider_metadata` has the body without its texts."""

_TEXTS = (
    "input", "inputs", "text", "texts", "content", "contents", "parts", "messages", "requests", "documents", "query",
    "inputText", "prompt", "instructions", "params", "body", "source", "request",
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
        for holder, key in list(_places(body)):
            request.messages.append(Message("user", [TextPart(holder[key])]))
            holder[key] = ""
        request.provider_metadata = {_BODY: body}
        return request, Echo(request.model)

    def read_plain(self, wire: WireRequest) -> None:
        """Embeddings are not translated in this way."""


def write_embedding(original: bytes, request: LLMRequest) -> bytes:
    """The body with the texts as plugins left them. Raises GatewayError where their number has changed."""
    body = json.loads(json.dumps(request.provider_metadata.get(_BODY, {})))
    places = list(_places(body))
    if len(places) != len(request.messages):
        raise GatewayError(
            "A plugin added or removed inputs of an embedding request, which can't be expressed.", code="plugin_error"
        )
    for (holder, key), message in zip(places, request.messages, strict=True):
        holder[key] = message.text
    return merge_edit(original, json.dumps(json.loads(original)), json.dumps(body))


def has_token_lists(request: LLMRequest) -> bool:
    """Whether texts are given as the numbers of their tokens, which no plugin can read."""
    body = request.provider_metadata.get(_BODY, {})
    return any(_has_numbers(body.get(name)) for name in _TEXTS)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        for name in _TEXTS:
            inner = value.get(name)
            if isinstance(inner, str):
                yield value, name
            elif isinstance(inner, list | dict):
                yield from _places(inner)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if isinstance(inner, str):
                yield value, position
            elif isinstance(inner, list | dict):
                yield from _places(inner)


def _has_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, int | float) or _has_numbers(item) for item in value)
    return isinstance(value, dict) and any(_has_numbers(value.get(name)) for name in _TEXTS)
