"""Patterns of one sign: `*` is any text, every other character for itself.

A match takes time in proportion to the text, whatever the pattern, for clients choose the texts.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["Wildcard", "matches_wildcard", "wildcard"]


class Wildcard:
    """A compiled pattern: `claude-*[1m]` matches `claude-sonnet-4-5[1m]`."""

    __slots__ = ("_first", "_last", "_least", "_middle", "_whole")

    def __init__(self, pattern: str) -> None:
        first, *rest = pattern.split("*")
        self._whole = not rest
        self._first = first
        self._last = rest.pop() if rest else ""
        self._middle = [piece for piece in rest if piece]
        self._least = len(first) + len(self._last)

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of `text`."""
        if self._whole:
            return text == self._first
        if len(text) < self._least or not text.startswith(self._first) or not text.endswith(self._last):
            return False
        # The first place of each piece leaves the most room for the next.
        place, end = len(self._first), len(text) - len(self._last)
        for piece in self._middle:
            place = text.find(piece, place, end)
            if place < 0:
                return False
            place += len(piece)
        return True


@lru_cache(maxsize=1024)
def wildcard(pattern: str) -> Wildcard:
    return Wildcard(pattern)


def matches_wildcard(text: str, pattern: str) -> bool:
    """Whether `pattern` matches the whole of `text`."""
    return wildcard(pattern).matches(text)
