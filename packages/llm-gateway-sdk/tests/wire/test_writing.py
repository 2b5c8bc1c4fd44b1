"""JSON written in pieces: what the engine makes of the whole, from calls that are each short."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import pytest

from llm_gateway_sdk.heavy import json_in_slices
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.writing import PIECE_LETTERS, written

LETTERS = ["a", '"', "\\", "é", "😀", "\n"]
HALVES = [*LETTERS, "\ud83d", "\ude00"]
LONGEST_CALL = 6 * (PIECE_LETTERS + 100)
"""What a call may give: a letter is up to six bytes of JSON."""


@dataclass
class Held:
    name: str


class Kind(StrEnum):
    FIRST = "first"


def text(chance: random.Random, letters: list[str]) -> str:
    size = chance.choice((0, 5, 300, PIECE_LETTERS // 3, PIECE_LETTERS, 3 * PIECE_LETTERS))
    piece = "".join(chance.choices(letters, k=20))
    return (piece * (size // 20 + 1))[:size]


def value(chance: random.Random, letters: list[str], depth: int = 0) -> Any:
    kind = chance.randrange(10) if depth < 4 else chance.randrange(6)
    if kind < 4:
        return text(chance, letters)
    if kind == 4:
        return chance.choice((17, None, True, 1.5, Held("h"), Kind.FIRST))
    if kind == 5:
        return msgspec.Raw(b"[" + b"1," * chance.choice((1, PIECE_LETTERS)) + b"1]")
    members = [value(chance, letters, depth + 1) for _ in range(chance.randrange(5))]
    if kind == 6:
        return {chance.choice((text(chance, letters), number)): member for number, member in enumerate(members)}
    if kind == 7:
        return [chance.randrange(99) for _ in range(chance.choice((3, 9000)))] + members
    return tuple(members) if kind == 8 else members


@pytest.mark.parametrize("seed", range(150))
def test_the_same_as_in_one_piece_from_short_calls(seed: int) -> None:
    whole = value(random.Random(seed), LETTERS)
    calls: list[int] = []

    def encode(part: Any) -> bytes:
        calls.append(len(msgspec.json.encode(part)))
        return msgspec.json.encode(part)

    def spelled(part: Any) -> memoryview | None:
        return memoryview(part) if isinstance(part, msgspec.Raw) else None

    assert b"".join(written(whole, encode, spelled)) == msgspec.json.encode(whole)
    assert max(calls, default=0) <= LONGEST_CALL


@pytest.mark.parametrize("seed", range(40))
def test_halves_of_letters_stay_what_they_are(seed: int) -> None:
    whole = [text(random.Random(seed + number), HALVES) for number in range(3)]

    with json_in_slices():
        assert json.loads(json.dumps({"in": whole})) == json.loads(json.dumps(whole).join((b'{"in":', b"}")))
        assert json.loads(json.dumps_text(whole)) == json.loads(json.dumps_text(whole).encode())


@pytest.mark.parametrize("whole", [
    ['"' * 60_000] * 40,
    {str(number): "\ud83d" * 60_000 for number in range(40)},
    (['"' * 3_000_000],),
    [[{"a": ["b" * 200_000] * 3}]] * 9,
    {"k" * 900_000: 1},
    list(range(300_000)),
    {str(number): number for number in range(100_000)},
], ids=["many", "many halves", "one in a tuple", "nested", "a key", "numbers", "keys"])  # fmt: skip
def test_no_call_of_the_engine_is_long(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, calls = json.dumps(whole), list[int]()
    write = json._write

    def counted(part: Any) -> bytes:
        data = write(part)
        calls.append(len(data))
        return data

    monkeypatch.setattr(json, "_write", counted)

    with json_in_slices():
        assert json.dumps(whole) == expected

    assert max(calls) <= LONGEST_CALL


def test_what_json_cannot_hold_is_refused_in_pieces_too() -> None:
    with json_in_slices(), pytest.raises(TypeError):
        json.dumps(["a" * 200_000, object()])
