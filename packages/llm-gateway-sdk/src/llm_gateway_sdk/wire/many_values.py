"""JSON with very many values, read in slices.

A call of the JSON engine holds the interpreter until it ends, which takes some twenty milliseconds for 200,000
values. So a text is split between its values into pieces of `PIECE_BYTES`, and the engine reads one piece after the
other; other threads have their turn in between.

    [v, v, v, … 1 MB]        ->   "[v, v, …]" is read and the list extended, then the next values
    {"a": [v, v, … 1 MB]}    ->   "a" is opened, and its value is read in the same way

How a text is split is decided by patterns that know only strings, brackets and commas. They accept more than JSON is,
but each piece is judged by the engine, so that what comes out is what the engine makes of the whole. A text that the
patterns do not understand, or that is not valid, is left to the engine, which has the right message for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["MANY_BYTES", "PIECE_BYTES", "read_in_pieces"]

MANY_BYTES = 64 * 1024
"""Bytes above which a text is read in pieces: of the smallest values, it may have a good ten thousand."""
PIECE_BYTES = 24 * 1024
_DEEPEST = 900
_LEVELS = 4
"""Levels of lists and objects that a piece may have below the container that is read. What is deeper is opened."""

_MISCOUNTS = re.match(rb"(?:a[0-9]*+,)++", b"a1,a2")[0] != b"a1,"  # type: ignore[index]
"""Python 3.11.2, which Debian 12 has, ends a possessive repetition of a group in the middle of the one that failed. An
atomic group means the same at twice the cost."""


def _repeated(group: bytes, times: bytes) -> bytes:
    """As often as possible, and never less often afterwards."""
    return rb"(?>(?:%b)%b)" % (group, times) if _MISCOUNTS else rb"(?:%b)%b+" % (group, times)


_SPACE = rb"[ \t\n\r]*+"
_STRING = rb'"[^"\\]*+' + _repeated(rb'\\.[^"\\]*+', b"*") + rb'"'
_PLAIN = rb"(?:" + _STRING + rb"|[-+.0-9A-Za-z]++)"
_KEY = _STRING + _SPACE + rb":" + _SPACE


def _item() -> bytes:
    item = _PLAIN
    for _ in range(_LEVELS):
        member = _repeated(_KEY, b"?") + item + _SPACE + rb",?+" + _SPACE
        item = rb"(?:" + _PLAIN + rb"|[\[{]" + _SPACE + _repeated(member, b"*") + rb"[\]}])"
    return item


class _Patterns:
    """How the members of one kind of container look."""

    def __init__(self, key: bytes, end: bytes) -> None:
        begin = _SPACE + key
        self.run = re.compile(_repeated(begin + _item() + _SPACE + rb",", b"+"), re.DOTALL).match
        """Whole members, each with the comma after it."""
        self.last = re.compile(begin + _item() + _SPACE + end, re.DOTALL).match
        self.empty = re.compile(_SPACE + end).match
        self.plain = re.compile(begin + _PLAIN + _SPACE + rb"([,\]}])", re.DOTALL).match
        """A string, of any length, or a number."""
        self.opening = re.compile(_SPACE + rb"(" + key + rb")([\[{])", re.DOTALL).match


@cache
def _patterns() -> tuple[_Patterns, _Patterns]:
    """Of lists, of objects; made when they are first needed."""
    return _Patterns(b"", rb"\]"), _Patterns(_KEY, rb"\}")


_after = re.compile(_SPACE + rb"([,\]}])").match
_root = re.compile(_SPACE + rb"([\[{])").match
_rest = re.compile(_SPACE + rb"\Z").match


class _Unclear(Exception):
    """The text is left to the engine."""


def read_in_pieces(data: bytes, decode: Callable[[bytes], Any]) -> Any:
    """What `decode` returns for the whole text, which it gets in pieces. None where it has to be asked for the whole:
    the text is neither a list nor an object, or something is unusual about it."""
    root = _root(data)
    if root is None:
        return None
    reading = _Reading(data, decode)
    try:
        value = reading.read(root.end(), is_list=root[1] == b"[")
    except (_Unclear, ValueError):
        return None
    return None if _rest(data, reading.place) is None else value


class _Reading:
    __slots__ = ("_data", "_decode", "place")

    def __init__(self, data: bytes, decode: Callable[[bytes], Any]) -> None:
        self._data = data
        self._decode = decode
        self.place = 0

    def read(self, place: int, *, is_list: bool) -> Any:
        """The container that was opened just before `place`."""
        data = self._data
        in_list, in_object = _patterns()
        root: Any = [] if is_list else {}
        open_containers = [root]
        after_comma = False
        while open_containers:
            container = open_containers[-1]
            patterns = in_list if container.__class__ is list else in_object
            run = patterns.run(data, place, place + PIECE_BYTES)
            if run is not None:
                self._add(container, place, run.end() - 1)
                place, after_comma = run.end(), True
            last = patterns.last(data, place, place + PIECE_BYTES)
            if last is not None:
                self._add(container, place, last.end() - 1)
                place = last.end()
                open_containers.pop()
            elif not after_comma and (empty := patterns.empty(data, place)) is not None:
                place = empty.end()
                open_containers.pop()
            elif (plain := patterns.plain(data, place)) is not None:
                self._add(container, place, plain.end() - 1)
                place = plain.end() - 1
            elif run is None:
                opened, place = self._opened(container, patterns, place)
                open_containers.append(opened)
                after_comma = False
                if len(open_containers) > _DEEPEST:
                    raise _Unclear
                continue
            else:
                continue
            place, after_comma = self._closed(open_containers, place)
        self.place = place
        return root

    def _closed(self, open_containers: list[Any], place: int) -> tuple[int, bool]:
        """Goes on after a whole value: past a comma, and past the ends of containers."""
        while open_containers:
            sign = _after(self._data, place)
            if sign is None:
                raise _Unclear
            place = sign.end()
            if sign[1] == b",":
                return place, True
            if (sign[1] == b"]") != (open_containers.pop().__class__ is list):
                raise _Unclear
        return place, False

    def _add(self, container: Any, start: int, end: int) -> None:
        piece = self._data[start:end]
        if container.__class__ is list:
            container += self._decode(b"[" + piece + b"]")
        else:
            container.update(self._decode(b"{" + piece + b"}"))

    def _opened(self, container: Any, patterns: _Patterns, place: int) -> tuple[Any, int]:
        opening = patterns.opening(self._data, place)
        if opening is None:
            raise _Unclear
        opened: Any = [] if opening[2] == b"[" else {}
        if container.__class__ is list:
            container.append(opened)
        else:
            (key,) = self._decode(b"{" + opening[1] + b"0}")
            container[key] = opened
        return opened, opening.end()
