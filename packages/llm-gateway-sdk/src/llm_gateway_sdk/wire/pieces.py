"""Work on large bytes and texts in pieces, between which other threads have their turn.

A call into C holds the interpreter until it ends. To join, search or count 60 MB takes some ten milliseconds, in which
no other request goes on; a piece takes a tenth of one. Memory that is new costs more than what is done with it: the
system provides each page when it is first written to, which makes a copy of 60 MB last up to a tenth of a second.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable
from io import BytesIO

from .text_bound import TextSize

__all__ = [
    "PIECE_BYTES",
    "counted",
    "decoded",
    "encoded",
    "first_place",
    "found",
    "has",
    "has_any",
    "joined",
    "joined_text",
    "last_place",
    "replaced",
    "room_for",
    "text_has_any",
]

PIECE_BYTES = 256 * 1024
_SEARCHED_BYTES = 64 * 1024
"""A piece for patterns, which are searched for at a tenth of the speed of a few bytes."""


def room_for(size: int) -> BytesIO:
    """A buffer that `size` bytes are going to be written to. When they have been, `getvalue` gives them away without a
    copy.

    A buffer that begins empty is moved each time it has grown by an eighth, and each move copies all of it. Zeros are
    not written by us but come from the system with each page, so that many of them cost nothing; and as nothing else
    refers to them, the buffer takes them over.
    """
    return BytesIO(bytes(size))


def joined(pieces: Iterable[bytes | bytearray | memoryview]) -> bytes:
    """The same as `b"".join(pieces)`, for views of single bytes."""
    pieces = list(pieces)
    size = sum(map(len, pieces))
    if size <= PIECE_BYTES:
        return b"".join(pieces)
    buffer = room_for(size)
    for piece in pieces:
        if len(piece) <= PIECE_BYTES:
            buffer.write(piece)
        else:
            view = memoryview(piece)
            for start in range(0, len(view), PIECE_BYTES):
                buffer.write(view[start : start + PIECE_BYTES])
    return buffer.getvalue()


def joined_text(pieces: Iterable[str]) -> str:
    """The same as `"".join(pieces)`, for pieces that were just made and are not large themselves. A string that only
    one variable holds grows in place. Raises TextTooLarge."""
    text, size = "", TextSize()
    for piece in pieces:
        size.add(piece)
        text += piece
    return text


def encoded(text: str, errors: str = "strict") -> bytes:
    """The same as `text.encode("utf-8", errors)`."""
    size = len(text)
    if size <= PIECE_BYTES:
        return text.encode("utf-8", errors)
    return joined([text[start : start + PIECE_BYTES].encode("utf-8", errors) for start in range(0, size, PIECE_BYTES)])


def decoded(data: bytes | bytearray | memoryview, errors: str = "strict") -> str:
    """The same as `str(data, "utf-8", errors)`. Raises TextTooLarge."""
    size = len(data)
    if size <= PIECE_BYTES:
        return str(data, "utf-8", errors)
    decode, view = getincrementaldecoder("utf-8")(errors).decode, memoryview(data)
    ends = range(PIECE_BYTES, size + PIECE_BYTES, PIECE_BYTES)
    return joined_text([decode(view[end - PIECE_BYTES : end], end >= size) for end in ends])


def counted(data: bytes, *signs: bytes) -> int:
    """How often single bytes are in `data`, all together."""
    size = len(data)
    if size <= PIECE_BYTES:
        return sum([data.count(sign) for sign in signs])
    total = 0
    for start in range(0, size, PIECE_BYTES):
        for sign in signs:
            total += data.count(sign, start, start + PIECE_BYTES)
    return total


def has(data: bytes, sign: bytes) -> bool:
    """The same as `sign in data`."""
    return sign in data if len(data) <= PIECE_BYTES else has_any(data, sign)


def has_any(data: bytes, *signs: bytes) -> bool:
    """Whether one of these is in `data`."""
    size = len(data)
    if size <= PIECE_BYTES:
        for sign in signs:  # noqa: SIM110 — a generator costs more
            if data.rfind(sign) >= 0:  # from the end it is twice as fast, see byte_search
                return True
        return False
    for sign in signs:
        longest = len(sign) - 1
        for start in range(0, size, PIECE_BYTES):
            if data.rfind(sign, start, start + PIECE_BYTES + longest) >= 0:
                return True
    return False


def first_place(data: bytes, sign: bytes) -> int:
    """The same as `data.find(sign)`."""
    start, size, longest = 0, len(data), len(sign) - 1
    while size - start > PIECE_BYTES:
        place = data.find(sign, start, start + PIECE_BYTES + longest)
        if place >= 0:
            return place
        start += PIECE_BYTES
    return data.find(sign, start)


def last_place(data: bytes, sign: bytes) -> int:
    """The same as `data.rfind(sign)`."""
    end, longest = len(data), len(sign) - 1
    while end > PIECE_BYTES:
        place = data.rfind(sign, end - PIECE_BYTES, end + longest)
        if place >= 0:
            return place
        end -= PIECE_BYTES
    return data.rfind(sign, 0, end + longest)


def text_has_any(text: str, *signs: str) -> bool:
    """Whether one of these is in the text."""
    size = len(text)
    if size <= PIECE_BYTES:
        return any(sign in text for sign in signs)
    for sign in signs:
        longest = len(sign) - 1
        for start in range(0, size, PIECE_BYTES):
            if text.find(sign, start, start + PIECE_BYTES + longest) >= 0:
                return True
    return False


def found(pattern: re.Pattern[bytes], data: bytes, longest: int, start: int = 0) -> re.Match[bytes] | None:
    """The first match at or after `start`. The pattern must match at most `longest` bytes, and look at nothing around
    them."""
    size = len(data)
    while start < size:
        match = pattern.search(data, start, start + _SEARCHED_BYTES + longest)
        if match is not None:
            return match
        start += _SEARCHED_BYTES
    return None


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """The same as `data.replace(old, new)`, for an `old` that cannot overlap itself."""
    size = len(data)
    if size <= PIECE_BYTES:
        return data.replace(old, new)
    pieces, start = [], 0
    while start < size:
        end = min(start + PIECE_BYTES, size)
        across = data.rfind(old, start, end + len(old) - 1)
        if across >= 0:
            end = max(end, across + len(old))  # none is cut
        pieces.append(data[start:end].replace(old, new))
        start = end
    return joined(pieces)
