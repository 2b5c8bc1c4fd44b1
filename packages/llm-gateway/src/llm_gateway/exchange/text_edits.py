"""The short way for what plugins do to most requests: nothing, or other words in a text of a plain conversation.

Requests of one application differ in their texts and in little else (`llm_gateway_sdk.dialects.plain`). What of all
else a plugin has changed is seen by one comparison with what was read of an earlier request that agrees in it, and a
text that was edited is put in its place in the client's bytes.

A kind of request is kept only where the general way (`_edited_body` in `upstream.py`) has shown for one of them that
the dialect reads and writes all of its words, and wrote letter by letter what the short way gives. A key that a body
has twice shows in the number of its quotation marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import Dialect, DialectError, InvalidRequest, LLMRequest, Message, Target, TextPart
from llm_gateway_sdk.dialects.plain import PlainRequest, PlainTurn
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire import json

from .request import ClientRequest
from .seen import compared

__all__ = ["TextEdits"]

_MEMO = "text edits"
_LARGEST = 64 * 1024
"""Bytes of a body. Heavy ones are compared in threads, which would share what is kept."""
_MOST = 64
"""Kinds that are kept of one target; and ten times as many are remembered as met."""
_QUOTE = b'"'

Key = tuple[object, ...]


class TextEdits:
    """What is known of requests to one target."""

    __slots__ = ("_kinds", "_met")

    def __init__(self) -> None:
        self._kinds: dict[Key, _Kind | None] = {}
        self._met: set[int] = set()

    @classmethod
    def of(cls, api: Target) -> TextEdits:
        known: TextEdits = api.memo.setdefault(_MEMO, cls())
        return known

    def body(self, request: ClientRequest, target: Target, value: LLMRequest) -> bytes | None:
        """The client's bytes with the texts of `value` in them; None where that needs the general way."""
        plain = _plain_of(request)
        kind = None if plain is None else self._kinds.get(_key(request, target, plain))
        return None if kind is None or plain is None else kind.body(request.wire.body, plain.turns, value)

    def learn(self, request: ClientRequest, target: Target, value: LLMRequest, written: bytes) -> None:
        """Takes notice of a request which the general way wrote without a loss. What has been met once is kept: many
        requests are of a kind of their own, such as those that name their user."""
        plain = _plain_of(request)
        if plain is None:
            return
        key = _key(request, target, plain)
        if key in self._kinds:
            return
        number = hash(key)
        if number not in self._met:
            if len(self._met) >= 10 * _MOST:
                self._met.clear()
            self._met.add(number)
            return
        if len(self._kinds) >= _MOST:
            self._kinds.clear()
        kind = _kind_of(request, target, plain)
        proven = kind is not None and kind.body(request.wire.body, plain.turns, value) == written
        self._kinds[key] = kind if proven else None


class _Kind:
    """Requests that differ from one another in the texts of their turns."""

    __slots__ = ("_messages", "_parts", "_quotes", "_rest")

    def __init__(self, base: LLMRequest, parts: list[TextPart], quotes: int) -> None:
        """`base` is the kind's own, `parts` the only ones of its messages; `quotes` is how many quotation marks a body
        has around its texts."""
        self._messages: list[Message] = base.messages
        self._rest = replace(base, messages=[])
        self._parts = parts
        self._quotes = quotes

    def body(self, came: bytes, turns: Sequence[PlainTurn], value: LLMRequest) -> bytes | None:
        """`came` with the texts of `value`; None where that differs in more than texts, or one of these is blank."""
        messages = value.messages
        if len(messages) != len(turns) or replace(value, messages=[]) != self._rest:
            return None
        edited: list[tuple[int, str]] = []
        quotes = self._quotes
        for place, (message, turn, own) in enumerate(zip(messages, turns, self._parts, strict=True)):
            content, text = message.content, turn.content
            if len(content) != 1 or type(part := content[0]) is not TextPart:
                return None
            own.text = part.text
            quotes += text.count('"')
            if part.text != text:
                if not part.text.strip() or not text.strip():
                    return None
                edited.append((place, part.text))
        if messages != self._messages or came.count(_QUOTE) != quotes or came.find(b"\\u0022") >= 0:
            return None
        return _with_texts(came, len(turns), edited) if edited else came


def _kind_of(request: ClientRequest, target: Target, plain: PlainRequest) -> _Kind | None:
    """None where the dialect does not read and write all of it, or changes a text."""
    body, dialect = request.wire.body, request.dialect
    try:
        base = request.client_body.decode()
        parts = [part for message in base.messages for part in message.content if type(part) is TextPart]
        if [part.text for part in parts] != [turn.content for turn in plain.turns]:
            return None
        if not compared(body).is_covered(_written(dialect, base, target)):
            return None
    except (DialectError, InvalidRequest, ValueError):
        return None
    inner = sum(turn.content.count('"') for turn in plain.turns)
    return _Kind(base, parts, body.count(_QUOTE) - inner)


def _written(dialect: Dialect, value: LLMRequest, target: Target) -> bytes:
    return dialect.encode_request(value, target, Losses("request")).body


def _with_texts(body: bytes, turns: int, edited: Sequence[tuple[int, str]]) -> bytes | None:
    """The body with other texts in some turns, of which the first may be the system prompt in a separate field."""
    members = json.slices(body)
    if not isinstance(members, dict) or not isinstance(messages := json.slices(members["messages"]), list):
        return None
    fields: dict[str, Any] = dict(members)
    written: list[Any] = list(messages)
    ahead = turns - len(messages)
    for turn, text in edited:
        if turn < ahead:
            fields["system"] = text
            continue
        message = json.slices(messages[turn - ahead])
        assert isinstance(message, dict)
        written[turn - ahead] = {**message, "content": text}
    if edited[-1][0] >= ahead:
        fields["messages"] = written
    return json.dumps(fields)


def _plain_of(request: ClientRequest) -> PlainRequest | None:
    return None if request.is_heavy or len(request.wire.body) > _LARGEST else request.client_body.plain


def _key(request: ClientRequest, target: Target, plain: PlainRequest) -> Key:
    roles = tuple([turn.role for turn in plain.turns])
    return (request.dialect.name, request.wire.path, target.model, plain.rest, roles)
