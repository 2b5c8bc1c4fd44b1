"""Which items of a list are which of a changed one.

The work grows with the length of the lists and not with its square, as that of `difflib` does where many items are
equal: two thousand short messages would take seconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence

__all__ = ["equal_runs"]


def equal_runs(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """Where the two lists are equal: (place in `old`, place in `new`, length), in order and without overlap.

    Equal ends first, then items that occur once in each, the longest chain of them that is in order in both.
    """
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    runs = [(0, 0, head)] if head else []
    middle = _once(old, head, len(old) - tail)
    found = [(middle[item], place) for item, place in _once(new, head, len(new) - tail).items() if item in middle]
    runs.extend((left, right, 1) for left, right in _longest_chain(sorted(found, key=lambda pair: pair[1])))
    if tail:
        runs.append((len(old) - tail, len(new) - tail, tail))
    return runs


def _once(items: Sequence[Hashable], start: int, end: int) -> dict[Hashable, int]:
    """The places of the items that occur once in that part of the list."""
    places: dict[Hashable, int] = {}
    several: set[Hashable] = set()
    for place in range(start, end):
        if places.setdefault(items[place], place) != place:
            several.add(items[place])
    for item in several:
        del places[item]
    return places


def _longest_chain(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of pairs that rise in their second number the longest sequence that rises in the first, too."""
    ends: list[int] = []
    last: list[int] = []
    previous: list[int] = []
    for number, (left, _) in enumerate(pairs):
        length = bisect_left(ends, left)
        ends[length : length + 1] = [left]
        last[length : length + 1] = [number]
        previous.append(last[length - 1] if length else -1)
    chain: list[tuple[int, int]] = []
    at = last[-1] if last else -1
    while at >= 0:
        chain.append(pairs[at])
        at = previous[at]
    return chain[::-1]
