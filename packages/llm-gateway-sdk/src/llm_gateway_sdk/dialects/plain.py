"""The short way for plain requests: a conversation of texts alone, with whatever tools and settings.

Requests of one application differ in their texts and in little else: the model, the tools, the bounds are the same
bytes again and again. So what the general way (`decode_request`, `translate`) has made of all that is kept as a
*frame*, without the texts, and the next plain request that agrees with it in everything else is written by putting its
own texts in. A frame knows nothing of tools, quirks or models: it is a part of what the general way wrote for this very
target.

A request takes the short way only where the general way has nothing to report:

- The client's dialect reads it as plain (`Dialect.read_plain`): each message is a role and a text, and no field is set
  whose writing may depend on the texts.
- The provider's dialect writes such turns without a change (`Dialect.write_turns`): roles alternate, none is blank
  where blank texts are refused, the last is the user's.
- The general way lost nothing, renamed nothing, and wrote letter by letter what the frame gives for the same texts.
  This is compared before a frame is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..values import Value
from ..wire import json

__all__ = ["ABSENT", "LONGEST", "Frame", "Frames", "PlainBody", "PlainRequest", "PlainTurn", "alternate", "frame_of"]


LONGEST = 1024 * 1024
"""Bytes of a body that is read in one go."""


class PlainTurn(Value, forbid_unknown_fields=True):
    """A message that is one text, which may be empty."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


ABSENT = json.Slice()
"""A field that is not in a body."""


class PlainBody(Value, forbid_unknown_fields=True, omit_defaults=True):
    """What a dialect reads plain requests into: `messages` and further fields, each a slice of the client's bytes. A
    body with any other field is not plain."""

    messages: list[PlainTurn] | None = None


class PlainRequest(Value):
    turns: Sequence[PlainTurn]
    """The system prompt first, where there is one."""
    rest: bytes
    """All else that was asked for, in a form that is the same for equal requests."""


def alternate(turns: Sequence[PlainTurn]) -> bool:
    """Whether turns of the user and the assistant take turns, the first and the last being the user's, and each has a
    text."""
    # Lists are compared in C, and generators would be slower.
    roles = [turn.role for turn in turns]
    return (
        roles[::2].count("user") * 2 == len(roles) + 1
        and roles[1::2].count("assistant") * 2 == len(roles) - 1
        and "" not in [turn.content for turn in turns]
    )


class Frame:
    """What the general way wrote for one kind of plain request, without the texts."""

    __slots__ = ("echo", "fields", "headers", "method", "path", "query", "size")

    def __init__(
        self, method: str, path: str, query: str, headers: list[tuple[str, str]], fields: dict[str, Any], echo: Any
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.fields = fields
        self.echo = echo
        """The client dialect's memo of the request, which nothing changes."""
        self.size = sum(len(bytes(value)) for value in fields.values() if isinstance(value, json.Slice))

    def body(self, turns: dict[str, Any]) -> bytes:
        return json.dumps({**self.fields, **turns})


def frame_of(
    method: str,
    path: str,
    query: str,
    headers: list[tuple[str, str]],
    body: bytes,
    turns: dict[str, Any],
    echo: Any,
) -> Frame | None:
    """The frame of a request that was written as `body`, in which `turns` are the fields that hold the texts; None
    where it would not give the same body again."""
    slices = json.slices(body)
    if not isinstance(slices, dict):
        return None
    fields: dict[str, Any] = dict(slices)
    for name in turns:
        if name not in fields:
            return None
        fields[name] = None
    frame = Frame(method, path, query, headers, fields, echo)
    return frame if frame.body(turns) == body else None


class Frames:
    """The frames of one target, those that were used last; bounded in bytes."""

    __slots__ = ("_kept", "_size")

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Frame] = {}
        self._size = 0

    def get(self, key: tuple[object, ...]) -> Frame | None:
        return self._kept.get(key)

    def keep(self, key: tuple[object, ...], rest: bytes, frame: Frame) -> None:
        """`rest` is the part of the key that has a size."""
        size = frame.size + len(rest) + _OVERHEAD
        if size > _LARGEST or key in self._kept:
            return
        if self._size + size > _MOST:
            self._kept.clear()
            self._size = 0
        self._kept[key] = frame
        self._size += size


_OVERHEAD = 1024
_LARGEST = 256 * 1024
_MOST = 1024 * 1024
