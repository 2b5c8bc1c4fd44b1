"""Sets of characters as JavaScript means them: `\\d \\w \\s`, negation, and `/i` without the `u` flag.

A set is a sorted tuple of disjoint, non-adjacent, inclusive code point ranges. Nothing here knows of patterns.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import regex

CharSet = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
# The highest code point with a case counterpart is in Adlam (U+1E943); a little room is left for newer scripts.
LAST_CASED = 0x1FFFF


def charset(ranges: Iterable[tuple[int, int]]) -> CharSet:
    """Ranges in any order, overlapping or not, as a set."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)


def of(text: str) -> CharSet:
    return charset((ord(c), ord(c)) for c in text)


def union(*sets: CharSet) -> CharSet:
    return charset(r for s in sets for r in s)


def invert(chars: CharSet) -> CharSet:
    gaps: list[tuple[int, int]] = []
    start = 0
    for low, high in chars:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        gaps.append((start, LAST))
    return tuple(gaps)


def size(chars: CharSet) -> int:
    return sum(high - low + 1 for low, high in chars)


def intersects(one: CharSet, other: CharSet) -> bool:
    return size(union(one, other)) < size(one) + size(other)


ANY: CharSet = ((0, LAST),)
DIGIT = of("0123456789")
WORD = charset([(ord("a"), ord("z")), (ord("A"), ord("Z")), (ord("0"), ord("9")), (ord("_"), ord("_"))])
SPACE = charset([*of("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"), (0x2000, 0x200A)])
LINE_END = of("\n\r\u2028\u2029")
DOT = invert(LINE_END)
CLASSES: dict[str, CharSet] = {
    "d": DIGIT,
    "D": invert(DIGIT),
    "w": WORD,
    "W": invert(WORD),
    "s": SPACE,
    "S": invert(SPACE),
}


def fold(chars: CharSet) -> CharSet:
    """The set together with every character that `/i` takes for one of its members.

    ECMAScript's Canonicalize without the `u` flag: upper case, one character to one, and never from beyond ASCII into
    ASCII. So `k` is not the Kelvin sign and `s` is not the long s.
    """
    extra: list[tuple[int, int]] = []
    for low, high in chars:
        for start, end, shift in ((0x41, 0x5A, 32), (0x61, 0x7A, -32)):
            first, last = max(low, start), min(high, end)
            if first <= last:
                extra.append((first + shift, last + shift))
        for code, others in _cased_beyond_ascii(low, high):
            extra.extend((other, other) for other in others if other != code)
    return charset([*chars, *extra])


def _cased_beyond_ascii(low: int, high: int) -> list[tuple[int, tuple[int, ...]]]:
    low, high = max(low, 0x80), min(high, LAST_CASED)
    if low > high:
        return []
    table = _case_table()
    if high - low < len(table):
        return [(code, table[code]) for code in range(low, high + 1) if code in table]
    return [(code, others) for code, others in table.items() if low <= code <= high]


@functools.cache
def _case_table() -> dict[int, tuple[int, ...]]:
    classes: dict[int, list[int]] = {}
    for code in range(0x80, LAST_CASED + 1):
        if 0xD800 <= code <= 0xDFFF:
            continue
        upper = chr(code).upper()
        canonical = ord(upper) if len(upper) == 1 and ord(upper) >= 0x80 else code
        classes.setdefault(canonical, []).append(code)
    return {code: tuple(members) for members in classes.values() if len(members) > 1 for code in members}


@functools.cache
def unicode_property(expression: str) -> CharSet:
    """The characters of `\\p{expression}`. Raises ValueError for a property that is not known."""
    try:
        pattern = regex.compile(rf"\p{{{expression}}}+")
    except regex.error as error:
        raise ValueError(f"unknown Unicode property {expression!r}") from error
    everything = "".join(map(chr, range(LAST + 1)))
    return charset((m.start(), m.end() - 1) for m in pattern.finditer(everything))


def as_class(chars: CharSet) -> str:
    """The set as a character class that `re` and `regex` both read alike."""
    if not chars:
        return r"(?!)"
    if chars == ANY:
        return r"[\x00-\U0010ffff]"
    return "[" + "".join(_escape(low) + ("" if low == high else "-" + _escape(high)) for low, high in chars) + "]"


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
