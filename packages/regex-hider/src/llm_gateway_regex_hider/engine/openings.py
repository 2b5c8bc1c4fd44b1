"""How the matches of a pattern begin: a search of a whole text that passes over what can't begin any at the speed of
the `re` engine, where the automaton would read it character by character.

Of the pattern only its beginning is looked for, as sequences of single characters: perhaps a run of some set first
(`[\\w.]+` in `[\\w.]+@\\w+`), then the sets that follow it. So the time is linear in the text, whatever both are. No
place at which a match begins is passed over; at a place that is found there need not be one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import regex

from . import charsets
from .charsets import CharSet
from .syntax import Alternatives, Boundary, Chars, Concat, Edge, Group, Look, Node, Repeat

# Characters of a match that are looked at, and ways to spell them that are distinguished.
_LONGEST = 16
_MOST_WAYS = 16

# Prose has many of these, and few of what is not among them.
_COMMON = charsets.of("aeinorst ")
_FEW = 4


_WINDOW = 64 * 1024
_BEYOND = _WINDOW + 1
"""Characters that are searched by one call."""
_Search = Callable[..., "re.Match[str] | None"]
"""Of a text, from a place on, and up to another."""

Found = tuple[int, int]
"""Where a match may begin, and where what is fixed begins: up to `least` before that, it may begin later too."""


class Opening:
    """The beginning of one pattern's matches: a run of one set, `least` characters or more, then something fixed."""

    __slots__ = ("_fixed", "_lead", "least")

    def __init__(self, fixed: _Search, lead: Repeat | None) -> None:
        self._fixed = fixed
        self._lead: regex.Pattern[str] | None = None
        self.least = 0
        if lead is not None and isinstance(lead.item, Chars):
            self.least = lead.low
            bounds = f"{{{lead.low},{'' if lead.high is None else lead.high}}}"
            self._lead = regex.compile(f"(?r){charsets.as_class(lead.item.chars)}{bounds}")

    def find(self, text: str, at: int) -> Found | None:
        """The first place from `at` on at which a match may begin."""
        is_large = text[_WINDOW:_BEYOND]
        found = self._fixed_in_windows(text, at + self.least) if is_large else self._fixed(text, at + self.least)
        while found is not None:
            fixed = found.start()
            if self._lead is None:
                return fixed, fixed
            # Backwards from what is fixed, and only as far as it goes: nothing is read twice.
            lead = self._lead.match(text, at, fixed)
            if lead is not None:
                return lead.start(), fixed
            found = self._fixed_in_windows(text, fixed + 1) if is_large else self._fixed(text, fixed + 1)
        return None

    def _fixed_in_windows(self, text: str, at: int) -> re.Match[str] | None:
        """Between which other threads have their turn: the `re` engine lets none go on."""
        size = len(text)
        while at < size:
            found = self._fixed(text, at, at + _WINDOW + _LONGEST)
            if found is not None:
                return found
            at += _WINDOW
        return None


class Starts:
    """Where in one whole text matches of several patterns can begin; to be asked from left to right."""

    __slots__ = ("_found", "_text")

    def __init__(self, text: str, openings: Sequence[Opening]) -> None:
        self._text = text
        self._found: list[tuple[int, Opening, Found]] = []
        for number, opening in enumerate(openings):
            found = opening.find(text, 0)
            if found is not None:
                self._found.append((number, opening, found))

    def after(self, at: int) -> int:
        """The first such place from `at` on, -1 if there is none."""
        first = -1
        for place, (number, opening, (begin, fixed)) in enumerate(self._found):
            if fixed < at + opening.least:
                again = opening.find(self._text, at)
                if again is None:
                    del self._found[place]
                    return self.after(at)
                self._found[place] = (number, opening, again)
                begin = again[0]
            elif begin < at:
                begin = at
            if first < 0 or begin < first:
                first = begin
        return first

    def patterns_at(self, begin: int) -> list[int]:
        """Which patterns can match at the place that `after` gave last, by their numbers."""
        return [number for number, _, found in self._found if found[0] <= begin]


def opening_of(root: Node) -> Opening | None:
    """None if matches begin in too many ways, or as ordinary words do, so that searching them saves nothing."""
    items = list(_flat(root))
    if items and isinstance(items[0], Repeat) and isinstance(items[0].item, Chars) and items[0].low <= _LONGEST:
        # Not for more: where the run turns out too short, that much has been read for nothing.
        fixed = _search(_in_sequence(items[1:]))
        if fixed is not None:
            return Opening(fixed, items[0])
    fixed = _search(_in_sequence(items))
    return Opening(fixed, None) if fixed is not None else None


def _flat(node: Node) -> Iterator[Node]:
    """What is in sequence, without groups and what takes no character."""
    match node:
        case Concat(items):
            for item in items:
                yield from _flat(item)
        case Group(_, item):
            yield from _flat(item)
        case Boundary() | Edge() | Look():
            return
        case _:
            yield node


@dataclass(frozen=True, slots=True)
class _Way:
    """Sets that the first characters are of, one after another. After an open one anything may follow."""

    sets: tuple[CharSet, ...] = ()
    is_open: bool = False

    def then(self, other: _Way) -> _Way:
        sets = self.sets + other.sets
        return _Way(sets[:_LONGEST], other.is_open or len(sets) >= _LONGEST)


def _ways(node: Node) -> list[_Way]:
    match node:
        case Chars(chars):
            return [_Way((chars,))]
        case Concat(items):
            return _in_sequence(items)
        case Alternatives(items):
            return _limited([way for item in items for way in _ways(item)])
        case Group(_, item):
            return _ways(item)
        case Repeat(item, 0, 1, _):
            return _limited([_Way(), *_ways(item)])
        case Repeat(item, low, high, _):
            ways = _in_sequence([item] * min(low, _LONGEST))
            return ways if low == high else [_Way(way.sets, True) for way in ways]
        case Boundary() | Edge() | Look():
            return [_Way()]
        case _:
            return [_Way(is_open=True)]


def _in_sequence(items: Sequence[Node]) -> list[_Way]:
    ways = [_Way()]
    for item in items:
        following = _ways(item)
        longer = [w for way in ways for w in ([way] if way.is_open else [way.then(other) for other in following])]
        if len(longer) > _MOST_WAYS:
            return [_Way(way.sets, True) for way in ways]
        ways = longer
        if all(way.is_open for way in ways):
            break
    return ways


def _limited(ways: list[_Way]) -> list[_Way]:
    """The ways themselves, or of too many only their first characters, taken together."""
    if len(ways) <= _MOST_WAYS:
        return ways
    if not all(way.sets for way in ways):
        return [_Way(is_open=True)]
    return [_Way((charsets.union(*(way.sets[0] for way in ways)),), True)]


def _search(ways: list[_Way]) -> _Search | None:
    if not all(_is_telling(way.sets) for way in ways):
        return None
    if len(ways) == 1:
        return re.compile(_spelled(ways[0].sets)).search
    # The engine is quick where it knows the set of the first character.
    first = charsets.as_class(charsets.union(*(way.sets[0] for way in ways)))
    rest = "|".join(sorted({_spelled(way.sets[1:]) for way in ways}))
    return re.compile(f"{first}(?:{rest})").search


def _is_telling(sets: tuple[CharSet, ...]) -> bool:
    """Whether few places of ordinary prose look like this."""
    few = sum(charsets.size(chars) <= _FEW for chars in sets)
    return few >= 2 or any(not charsets.intersects(chars, _COMMON) for chars in sets)


def _spelled(sets: tuple[CharSet, ...]) -> str:
    return "".join(map(charsets.as_class, sets))
