"""JSON texts by chance."""

from __future__ import annotations

import random
from types import SimpleNamespace

import msgspec
import pytest

WORDS = [
    "",
    "a",
    "some words ",
    '"',
    "\\",
    "\\\\",
    "\n",
    "é😀",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "/*",
    "nul",
    "\x00",
    "\\u",
]
SPACES = ["", "", "", " ", "\n\t ", "\r"]
NUMBERS = ["0", "-0", "1e5", "1.50", "12345678901234567890", "-3"]


def text(chance: random.Random) -> str:
    return str(msgspec.json.encode("".join(chance.choices(WORDS, k=chance.choice((0, 1, 3, 40))))).decode())


def written(chance: random.Random, depth: int) -> str:
    """A JSON text in which anything may come at any place."""
    kind = chance.randrange(6) if depth else chance.randrange(3)
    if kind == 0:
        return text(chance)
    if kind == 1:
        return chance.choice(NUMBERS)
    if kind == 2:
        return chance.choice(["true", "false", "null"])
    members = [written(chance, depth - 1) for _ in range(chance.choice((0, 1, 2, 5, 12)))]
    if kind < 5:
        members = [f"{text(chance)}{space(chance)}:{space(chance)}{member}" for member in members]
    inner = f"{space(chance)},{space(chance)}".join(members)
    left, right = "{}" if kind < 5 else "[]"
    return f"{left}{space(chance)}{inner}{space(chance)}{right}"


def space(chance: random.Random) -> str:
    return chance.choice(SPACES)


def damaged(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data))
    sign = chance.choice([b"", b",", b"]", b"}", b"[", b"{", b'"', b":", b"\\", b"x", b"1", b" "])
    return data[:place] + sign + data[place + chance.randrange(2) :]


@pytest.fixture
def grammar() -> SimpleNamespace:
    return SimpleNamespace(text=text, written=written, space=space, damaged=damaged)
