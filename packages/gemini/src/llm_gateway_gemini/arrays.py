"""A JSON array that arrives in pieces, cut into its elements: `streamGenerateContent` without `alt=sse`."""

from __future__ import annotations

import re

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.wire.pieces import found

__all__ = ["ArraySplitter"]

_MAX_BYTES = 64 * 1024 * 1024
_OUTSIDE = re.compile(rb'["{}]')
_INSIDE = re.compile(rb'["\\]')


class ArraySplitter:
    """Gives the objects of an array as soon as they are whole. What is between them is not looked at."""

    __slots__ = ("_depth", "_escaped", "_held", "_in_string", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        """The objects which these bytes complete. Raises DialectError for one that never ends."""
        objects: list[bytes] = []
        start = position = 0
        if self._escaped and data:
            position, self._escaped = 1, False
        while True:
            match = found(_INSIDE if self._in_string else _OUTSIDE, data, 1, position)
            if match is None:
                break
            sign = match[0]
            position = match.end()
            if sign == b'"':
                self._in_string = not self._in_string if self._depth else False
            elif sign == b"\\":
                self._escaped = position >= len(data)
                position += 1
            elif sign == b"{":
                if self._depth == 0:
                    start = match.start()
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if self._depth == 0:
                    objects.append(b"".join((*self._pieces, data[start:position])))
                    self._pieces, self._held = [], 0
        if self._depth:
            rest = data[start:]
            self._pieces.append(rest)
            self._held += len(rest)
            if self._held > _MAX_BYTES:
                raise DialectError(f"an element of the stream is larger than {_MAX_BYTES} bytes")
        return objects
