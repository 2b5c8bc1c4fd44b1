"""JSON with very long strings, read in slices.

A call of the JSON engine holds the interpreter until it ends. For a string of 60 MB that is a tenth of a second, and
half of one where it is full of escapes. So long strings are taken out of a text before the engine sees it, and read by
themselves in pieces, between which other threads have their turn. The rest of a body is bounded by the number of its
values. How a value is written is in `writing`.

    data = b'{"a": "…60 MB…"}'   ->   cut_out: b'{"a": "<mark>0"}' and the place of the string

A string can be recognised without reading it: a window of bytes in which no quote is free, begun inside of a string, is
part of a long one. Every other string ends in the window where it begins, or in the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

from .pieces import counted, joined, joined_text
from .text_bound import LARGEST_TEXT, TextSize, TextTooLarge

__all__ = [
    "LONG_BODY",
    "LONG_TEXT",
    "LongTexts",
    "Slicing",
    "cut_out",
    "put_back",
    "put_back_written",
    "read_text",
    "refuse_large_texts",
]


class Slicing:
    """Whether values are read and written in pieces, which is only worth its time while there is heavy work.
    `under_way` counts it (`heavy.run_aside`)."""

    under_way = 0


LONG_BODY = 1 << 20
"""Bytes above which a body is looked through for long strings."""
LONG_TEXT = 64 * 1024
"""Bytes or letters above which a string is long; at least as many as a window has."""
_WINDOW = 64 * 1024
_WIDEST_BYTES = LARGEST_TEXT // 4
"""Bytes above which a string may become too large: each is a letter at most, and no letter takes more than four."""
_MARK = f"@{hash('a long text')}{hash(object())}:"
"""Begins a string that replaces a long one. Hashes of texts are salted anew by each process, so that no sender can
know it."""
_MARK_BYTES = _MARK.encode()
_ANY_MARK = re.compile(re.escape(_MARK_BYTES) + rb"([0-9]+)")
_SPACE = b" \t\n\r"
_TAIL = 64
_BACKSLASH = 0x5C
_TOKENS = re.compile(rb"(?:[^\\]+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}|\\[^u])*")
_HALF_AT_END = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")


def cut_out(data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """(the JSON text with marks in place of its long strings, and without long white space; the range of each of these
    strings, without its quotes)

    A text that is not valid JSON comes out as another that is not.
    """
    found, gaps = _scanned(data)
    if not found and not gaps:
        return data, found
    cuts = [(*place, b"%b%d" % (_MARK_BYTES, number)) for number, place in enumerate(found)]
    cuts += [(*gap, b" ") for gap in gaps]
    pieces, end = [], 0
    for start, stop, mark in sorted(cuts):
        pieces += [data[end:start], mark]
        end = stop
    pieces.append(data[end:])
    return joined(pieces), found


class LongTexts:
    """Marks for long strings that texts have in common: strings that say the same have the same mark, however they are
    spelled. So texts are compared and merged without these strings, which come back as the first of the texts has them.
    """

    __slots__ = ("_digests", "_loads", "_spelled")

    def __init__(self, loads: Callable[[bytes], Any]) -> None:
        self._loads = loads
        self._digests: dict[bytes, int] = {}
        self._spelled: list[memoryview] = []

    def cut_out(self, data: bytes) -> bytes:
        """The JSON text with marks in place of its long strings. Raises ValueError where one of these is not valid."""
        if len(data) <= LONG_BODY:
            return data
        pieces, end = [], 0
        for start, stop in _places(data):
            digest = _digest(data, start, stop, self._loads)
            number = self._digests.setdefault(digest, len(self._spelled))
            if number == len(self._spelled):
                self._spelled.append(memoryview(data)[start:stop])
            pieces += [data[end:start], b"%b%d" % (_MARK_BYTES, number)]
            end = stop
        if not end:
            return data
        pieces.append(data[end:])
        return joined(pieces)

    def put_back(self, data: bytes) -> bytes:
        return _filled(data, self._spelled) if self._spelled else data


def _digest(data: bytes, start: int, stop: int, loads: Callable[[bytes], Any]) -> bytes:
    """Of the content of a string."""
    found = blake2b(digest_size=32)
    while start < stop:
        end = _cut(data, start, stop)
        piece = data[start:end]
        if b"\\" in piece:
            text = loads(b'"' + piece + b'"')
            if not isinstance(text, str):
                raise ValueError("Invalid string")
            piece = text.encode("utf-8", "surrogatepass")
        found.update(piece)
        start = end
    return found.digest()


def _places(data: bytes) -> list[tuple[int, int]]:
    """Where the long strings are, without their quotes."""
    return _scanned(data)[0]


def _scanned(data: bytes) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(where the long strings are, without their quotes; where long white space is between values)"""
    found: list[tuple[int, int]] = []
    gaps: list[tuple[int, int]] = []
    inside, opened, start, size = False, 0, 0, len(data)
    while start < size:
        end = min(start + _WINDOW, size)
        window = data[start:end]
        if (len(window) - len(window.rstrip(b"\\"))) % 2 and end < size:
            end += 1  # an escape is not cut
            window = data[start:end]
        if b"\\" in window:
            window = window.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        quotes = window.count(b'"')
        if quotes:
            if inside and (stop := start + window.find(b'"')) - opened > LONG_TEXT:
                found.append((opened, stop))
            inside ^= bool(quotes % 2)
            opened = start + window.rfind(b'"') + 1
        elif not inside and not window.strip(_SPACE):
            gaps.append((start, end))
        start = end
    return found, gaps


def read_text(data: bytes, start: int, stop: int, loads: Callable[[bytes], Any]) -> str:
    """The string between two quotes of a JSON text. Raises ValueError where it is none, or too large."""
    return joined_text(_read_pieces(data, start, stop, loads))


def _read_pieces(data: bytes, start: int, stop: int, loads: Callable[[bytes], Any]) -> Iterator[str]:
    while start < stop:
        end = _cut(data, start, stop)
        piece = loads(b'"' + data[start:end] + b'"')
        if not isinstance(piece, str):
            raise ValueError("Invalid string")
        yield piece
        start = end


def refuse_large_texts(data: bytes, loads: Callable[[bytes], Any]) -> None:
    """Raises TextTooLarge where a string of a JSON text, or of one of several lines of JSON, would take more memory
    than a text may. Strings that are not valid are left to their reader."""
    if len(data) <= _WIDEST_BYTES:
        return
    for start, stop in _places(data):
        if stop - start <= _WIDEST_BYTES or _is_plain(data, start, stop):
            continue
        size = TextSize()
        try:
            for piece in _read_pieces(data, start, stop, loads):
                size.add(piece)
        except TextTooLarge as error:
            raise TextTooLarge(error.size, _place_of(data, start, loads)) from None
        except ValueError:
            continue


def _is_plain(data: bytes, start: int, stop: int) -> bool:
    """Whether a string is ASCII that spells no other letter."""
    for begin in range(start, stop, _WINDOW):
        piece = data[begin : min(begin + _WINDOW, stop)]
        if not piece.isascii() or b"\\u" in piece:
            return False
    return True


def _place_of(data: bytes, start: int, loads: Callable[[bytes], Any]) -> str:
    """Where in the value a long string is that begins at `start`, such as `messages[0].content`; of lines, which."""
    rest, places = cut_out(data)
    mark = _MARK + str([place for place, _ in places].index(start))
    try:
        waiting = [("", loads(rest))]
    except ValueError:
        lines = counted(data[:start], b"\n")
        return f"line {lines + 1}"
    while waiting:
        path, node = waiting.pop()
        if node == mark:
            return path
        if isinstance(node, dict):
            waiting += [(f"{path}.{key}" if path else key, inner) for key, inner in node.items()]
        elif isinstance(node, list):
            waiting += [(f"{path}[{place}]", inner) for place, inner in enumerate(node)]
    return ""


def _cut(data: bytes, start: int, stop: int) -> int:
    """Where a piece of a string ends that begins at `start`: no letter, escape or pair of escapes is cut."""
    end = start + _WINDOW
    if end >= stop:
        return stop
    if b"\\" in data[end - _TAIL : end]:
        # Tokens are distinguished from any place that no backslash precedes: only letters are left there of an escape.
        ahead = range(end - _TAIL, end - _TAIL // 2)
        anchor = next((place for place in ahead if data[place - 1] != _BACKSLASH), start)
        match = _TOKENS.match(data, anchor, end)
        assert match is not None
        end = match.end()
        if _HALF_AT_END.search(data, end - 6, end) is not None:
            end -= 6
    letter = end
    while letter > start and data[letter] & 0xC0 == 0x80:
        letter -= 1
    return letter if letter > start else end


def put_back_written(data: bytes, source: bytes, places: list[tuple[int, int]]) -> bytes:
    """A JSON text with the long strings of `source` in place of their marks, letter by letter. Marks may be missing."""
    whole = memoryview(source)
    return _filled(data, [whole[start:stop] for start, stop in places])


def _filled(data: bytes, spelled: list[memoryview]) -> bytes:
    pieces: list[bytes | memoryview] = []
    end = 0
    for match in _ANY_MARK.finditer(data):
        pieces += [data[end : match.start()], spelled[int(match.group(1))]]
        end = match.end()
    pieces.append(data[end:])
    return joined(pieces)


def put_back(value: Any, texts: list[str]) -> Any:
    """The value with the long strings in place of their marks; lists and dictionaries are changed in place."""
    if isinstance(value, str):
        return _text_of(value, texts)
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if any(key.startswith(_MARK) for key in node):
                entries = [(_text_of(key, texts), inner) for key, inner in node.items()]
                node.clear()
                node.update(entries)
            members: Any = node.items()
        elif isinstance(node, list):
            members = enumerate(node)
        else:
            continue
        for place, inner in members:
            if inner.__class__ is str:
                if inner.startswith(_MARK):
                    node[place] = _text_of(inner, texts)
            elif inner.__class__ is dict or inner.__class__ is list:
                waiting.append(inner)
    return value


def _text_of(value: str, texts: list[str]) -> str:
    return texts[int(value[len(_MARK) :])] if value.startswith(_MARK) else value
