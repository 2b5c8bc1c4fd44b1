"""Events of a stream that repeat the one before: its head, or all of it but a piece of text.

A shape is taken from an event that was read whole. It is proven by reading that event once more with another text in
its place: what is in the shape then differs in the text alone, whatever a server puts around it.
"""

from __future__ import annotations

from llm_gateway_sdk.parts import TextPart
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse
from llm_gateway_sdk.text_run import TextRun
from llm_gateway_sdk.wire import json

__all__ = ["AFTER_HEAD", "EventHead", "TextShape"]

AFTER_HEAD = frozenset({"choices", "usage", "obfuscation"})
"""What may follow from `choices` on; anything else might repeat a field of the head."""
_NOT_IN_HEADS = AFTER_HEAD | {"error", "x_groq"}

_NOISE = b',"obfuscation":"'
"""OpenAI's padding against readers of encrypted lengths; it differs in each event and has no meaning."""
_PROBE = "a text that no model writes"
_QUOTE, _BACKSLASH, _LF = b'"\\\n'


class EventHead:
    """The fields of an event before its `choices`. Nearly all events of a stream have the same bytes there, so
    that the next one is read from `choices` on.

    The event from which it was taken was decoded whole, so that the chunks of the next ones repeat only what
    every chunk has. It is given up when an event begins otherwise, for that one may hold something else.
    """

    __slots__ = ("bytes", "created", "id", "model", "service_tier")

    def __init__(self, bytes: bytes, chunk: LLMResponse) -> None:
        self.bytes = bytes
        """With the name of the event's field."""
        self.id = chunk.id
        self.model = chunk.model
        self.created = chunk.created
        self.service_tier = chunk.service_tier

    @classmethod
    def of(cls, data: bytes, chunk: LLMResponse) -> EventHead | None:
        """The head of an event and what was read of it; None where `choices` come first, or other things of weight."""
        found = json.members_before(data, "choices")
        if found is None or not _NOT_IN_HEADS.isdisjoint(found[0]):
            return None
        return cls(b"data: " + data[: found[1]], chunk)


class TextShape:
    """Events that give `chunk` with their own text."""

    KEY = b'"content":"'
    """Is in every event that may have a shape."""

    __slots__ = ("_after", "_before", "_created", "_id", "_index", "_least", "_model", "_part", "_tier")

    def __init__(self, before: bytes, after: bytes, chunk: LLMResponse) -> None:
        """What is before and after the text's letters in an event."""
        choice = chunk.choices[0]
        self._before, self._after = before, after
        self._least = len(before) + len(after)
        self._id, self._model, self._created, self._tier = chunk.id, chunk.model, chunk.created, chunk.service_tier
        self._index, self._part = choice.index, choice.message.content[0].index

    @classmethod
    def of(cls, raw: bytes, chunk: LLMResponse) -> TextShape | None:
        """The shape of an event that gave this chunk; None where it holds more than a text."""
        at = raw.find(cls.KEY)
        if at < 1 or raw[at - 1] == _BACKSLASH or _LF in raw or not raw.startswith(b"data: {"):
            return None
        if TextRun.of(chunk) is None:
            return None
        raw = _without_noise(raw)
        start = at + len(cls.KEY)
        stop = _end_of_string(raw, start)
        if stop < 0:
            return None
        before, after = raw[:start], raw[stop:]
        return cls(before, after, chunk) if _is_proven(before, after, chunk) else None

    def read(self, raw: bytes) -> LLMResponse | None:
        """The chunk of an event of this shape that has a text; None for any other."""
        before, after = self._before, self._after
        if not raw.startswith(before):
            return None
        if not raw.endswith(after):
            raw = _without_noise(raw)
            if not raw.endswith(after):
                return None
        if len(raw) <= self._least:
            return None
        try:
            text = json.loads(raw[len(before) - 1 : len(raw) - len(after) + 1])
        except ValueError:
            return None
        part = TextPart(text, [], index=self._part)
        choice = Choice(self._index, Message("assistant", [part]))
        return LLMResponse(self._id, self._model, self._created, [choice], None, self._tier, None, False, {}, [])


def _without_noise(raw: bytes) -> bytes:
    """The event without the padding at its end."""
    at = raw.rfind(_NOISE)
    if at < 0 or raw[-2:] != b'"}' or raw.find(b'"', at + len(_NOISE)) != len(raw) - 2 or raw.find(b"\\", at) >= 0:
        return raw
    return raw[:at] + b"}"


def _end_of_string(raw: bytes, start: int) -> int:
    """Where the quote is that ends the string; -1 where there is none."""
    at = start
    while (at := raw.find(b'"', at)) >= 0:
        escapes = 0
        while raw[at - 1 - escapes] == _BACKSLASH:
            escapes += 1
        if escapes % 2 == 0:
            return at
        at += 1
    return -1


def _is_proven(before: bytes, after: bytes, chunk: LLMResponse) -> bool:
    """Whether what is between the two is the text of the chunk's only choice, and nothing else."""
    part = chunk.choices[0].message.content[0]
    assert type(part) is TextPart
    try:
        other = json.loads(before[6:] + _PROBE.encode() + after)
        same = json.loads(before[6:] + json.dumps(part.text)[1:-1] + after)
        delta = other["choices"][0]["delta"]
    except (ValueError, KeyError, IndexError, TypeError):
        return False
    if not isinstance(delta, dict) or delta.get("content") != _PROBE:
        return False
    delta["content"] = part.text
    return bool(other == same)
