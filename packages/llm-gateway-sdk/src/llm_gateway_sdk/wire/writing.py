"""JSON written in pieces.

A call of the JSON engine holds the interpreter until it ends: a fifth of a second for 60 MB of quotes, be they in one
string or in a thousand. So a value is written by a call for as many of its members as are short together, and a call
for each part of a long string; other threads have their turn in between. What comes out is what the engine makes of the
whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["PIECE_LETTERS", "written"]

PIECE_LETTERS = 64 * 1024
"""How many letters the engine is given at once. Each value counts as some, see `_LEAST`."""
_LEAST = 32
_PLAIN = frozenset({float, bool, type(None)})
_LARGEST_PLAIN = 1 << 256
"""An integer above that takes quadratic time."""


def written(
    value: Any, encode: Callable[[Any], bytes], spelled: Callable[[Any], memoryview | None]
) -> list[bytes | memoryview]:
    """The pieces of a JSON text. `encode` writes a value, `spelled` gives the text of one that is written already, and
    None for all others. Objects of other classes than those of JSON are left to `encode` as they are."""
    writer = _Writer(encode, spelled)
    writer.write(value)
    return writer.pieces


class _Writer:
    def __init__(self, encode: Callable[[Any], bytes], spelled: Callable[[Any], memoryview | None]) -> None:
        self.pieces: list[bytes | memoryview] = []
        self._encode = encode
        self._spelled = spelled

    def write(self, value: Any) -> None:
        open_values = [self._written(value)]
        while open_values:
            for long in open_values[-1]:
                open_values.append(self._written(long))
                break
            else:
                open_values.pop()

    def _written(self, value: Any) -> Iterator[Any]:
        """Writes a value, and between its members each that it gives out, which is long."""
        if self._size(value) <= PIECE_LETTERS:
            self.pieces.append(self._encode(value))
        elif value.__class__ is str:
            self._add_text(value)
        elif value.__class__ is dict:
            yield from self._entries(value)
        elif value.__class__ is list or value.__class__ is tuple:
            yield from self._items(value)
        else:
            text = self._spelled(value)
            self.pieces.append(self._encode(value) if text is None else text)

    def _items(self, items: list[Any] | tuple[Any, ...]) -> Iterator[Any]:
        start, gathered, before = 0, 0, b"["
        for place, item in enumerate(items):
            kind = item.__class__
            plain = kind in _PLAIN or (kind is int and -_LARGEST_PLAIN < item < _LARGEST_PLAIN)
            size = _LEAST if plain else self._size(item)
            gathered += size
            if gathered <= PIECE_LETTERS:
                continue
            if place > start:
                self.pieces += [before, self._encode(items[start:place])[1:-1]]
                before = b","
            start, gathered = place, size
            if size > PIECE_LETTERS:
                self.pieces.append(before)
                before = b","
                yield item
                start, gathered = place + 1, 0
        self.pieces += [before, self._encode(items[start:])[1:-1], b"]"] if start < len(items) else [b"]"]

    def _entries(self, entries: dict[Any, Any]) -> Iterator[Any]:
        waiting: dict[Any, Any] = {}
        gathered, before = 0, b"{"
        for key, value in entries.items():
            size = self._size(value) + (len(key) if key.__class__ is str else _LEAST)
            gathered += size
            if gathered > PIECE_LETTERS:
                if waiting:
                    self.pieces += [before, self._encode(waiting)[1:-1]]
                    before, waiting = b",", {}
                gathered = size
            if size <= PIECE_LETTERS:
                waiting[key] = value
                continue
            self.pieces.append(before)
            before, gathered = b",", 0
            if key.__class__ is str:
                yield key
                self.pieces.append(b":")
            else:
                self.pieces.append(self._encode({key: 0})[1:-2])
            yield value
        self.pieces += [before, self._encode(waiting)[1:-1], b"}"] if waiting else [b"}"]

    def _add_text(self, text: str) -> None:
        start, size = 0, len(text)
        self.pieces.append(b'"')
        while start < size:
            end = min(start + PIECE_LETTERS, size)
            if end < size and "\ud800" <= text[end - 1] <= "\udbff":
                end -= 1  # two halves of a letter are written together
            end = max(end, start + 1)
            self.pieces.append(self._encode(text[start:end])[1:-1])
            start = end
        self.pieces.append(b'"')

    def _size(self, value: Any) -> int:
        """About how many letters a value has, where these are not more than one piece may have; else some number above
        that."""
        total, waiting = 0, [value]
        while waiting and total <= PIECE_LETTERS:
            node = waiting.pop()
            kind = node.__class__
            if kind is str:
                total += len(node) + _LEAST
            elif kind in _PLAIN:
                total += _LEAST
            elif kind is int:
                total += _LEAST if -_LARGEST_PLAIN < node < _LARGEST_PLAIN else _size_of_integer(node)
            elif kind is list or kind is tuple:
                total += _LEAST
                if total + _LEAST * len(node) > PIECE_LETTERS:
                    return PIECE_LETTERS + 1
                waiting += node
            elif kind is dict:
                total += _LEAST
                if total + _LEAST * len(node) > PIECE_LETTERS:
                    return PIECE_LETTERS + 1
                total += sum([len(key) for key in node if key.__class__ is str])
                waiting += node.values()
            else:
                text = self._spelled(node)
                total += _LEAST if text is None else len(text)
        return total


def _size_of_integer(value: int) -> int:
    """As many letters as take the time to write it, at most as many as a piece may have."""
    digits = value.bit_length() * 3 // 10
    return min(digits * digits // 50, PIECE_LETTERS)
