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
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["MANY_BYTES", "PIECE_BYTES", "Members", "members_of", "read_in_pieces"]

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
    __slots__ = ("_data", "_decode", "_root", "place")

    def __init__(self, data: bytes, decode: Callable[[bytes], Any]) -> None:
        self._data = data
        self._decode = decode
        self._root: Any = None
        self.place = 0

    def read(self, place: int, *, is_list: bool) -> Any:
        """The container that was opened just before `place`."""
        data = self._data
        in_list, in_object = _patterns()
        root: Any = [] if is_list else {}
        self._root = root
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
                self._close(open_containers, place)
            elif not after_comma and (empty := patterns.empty(data, place)) is not None:
                place = empty.end()
                self._close(open_containers, place)
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
            if (sign[1] == b"]") != (open_containers[-1].__class__ is list):
                raise _Unclear
            self._close(open_containers, place)
        return place, False

    def _close(self, open_containers: list[Any], place: int) -> None:
        """The innermost one ends just before `place`."""
        open_containers.pop()

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


@dataclass(slots=True)
class Members:
    """Some members of a list or an object, next to each other in its text from `start` to `end`. `value`: where the
    value of the one that it is begins, which is a long list or object; -1 for any other."""

    start: int
    value: int
    end: int


def members_of(data: bytes, check: Callable[[bytes], object]) -> list[Members] | None:
    """The members of the one list or object that a text is, without reading it as a whole. `check` is called with what
    is in long members, as texts of lists and objects, and raises ValueError where one is not valid. None where the
    text is to be read as a whole."""
    root = _root(data)
    if root is None:
        return None
    skimming = _Skimming(data, check)
    try:
        skimming.read(root.end(), is_list=root[1] == b"[")
    except (_Unclear, ValueError):
        return None
    return None if _rest(data, skimming.place) is None else skimming.found


class _Skimming(_Reading):
    """Finds out where the members of the outermost container are."""

    __slots__ = ("_long", "found")

    def __init__(self, data: bytes, decode: Callable[[bytes], Any]) -> None:
        super().__init__(data, decode)
        self.found: list[Members] = []
        self._long = Members(0, 0, 0)

    def _add(self, container: Any, start: int, end: int) -> None:
        if container is self._root:
            self.found.append(Members(start, -1, end))
            return
        piece = self._data[start:end]
        self._decode(b"[" + piece + b"]" if container.__class__ is list else b"{" + piece + b"}")

    def _opened(self, container: Any, patterns: _Patterns, place: int) -> tuple[Any, int]:
        opening = patterns.opening(self._data, place)
        if opening is None:
            raise _Unclear
        if container.__class__ is dict:
            self._decode(b"{" + opening[1] + b"0}")
        if container is self._root:
            self._long = Members(opening.start(1), opening.start(2), 0)
        return [] if opening[2] == b"[" else {}, opening.end()

    def _close(self, open_containers: list[Any], place: int) -> None:
        open_containers.pop()
        if len(open_containers) == 1:
            self._long.end = place
            self.found.append(self._long)
