"""JSON with long strings, read and written in slices: the same values and texts as in one piece."""

from __future__ import annotations

import json as plain
import random
from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway_sdk.heavy import json_in_slices
from llm_gateway_sdk.wire import json, long_texts, writing

PIECES = [
    '"',
    "\\",
    "\n",
    "a",
    "some words ",
    "é",
    "漢",
    "😀",
    "\ud83d",
    "\ude00",
    "\\u0061",
    "@",
    ",",
    "{",
    ":",
    "\x7f",
]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strings of 300 letters are long here, and are cut every 150."""
    monkeypatch.setattr(long_texts, "LONG_TEXT", 300)
    monkeypatch.setattr(long_texts, "LONG_BODY", 300)
    monkeypatch.setattr(json, "LONG_BODY", 300)
    monkeypatch.setattr(json, "_BEYOND", 301)
    monkeypatch.setattr(long_texts, "_WINDOW", 150)
    monkeypatch.setattr(writing, "PIECE_LETTERS", 150)


def in_slices(work: Callable[[], Any]) -> Any:
    with json_in_slices():
        return work()


def text(chance: random.Random) -> str:
    several = chance.sample(PIECES, chance.randrange(1, 4))
    return "".join(chance.choices(several, k=chance.choice((0, 3, 200, 700))))


def value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(4) if depth < 3 else 0
    if kind == 1:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 2:
        return {text(chance): value(chance, depth + 1) for _ in range(chance.randrange(4))}
    return chance.choice((text(chance), text(chance), 17, None, True))


@pytest.mark.parametrize("seed", range(300))
def test_values_are_read_and_written_as_in_one_piece(seed: int) -> None:
    chance = random.Random(seed)
    whole = {"first": text(chance), "more": value(chance), "last": text(chance)}
    escaped = plain.dumps(whole).encode()
    bare = plain.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass")

    # Two halves of a letter that follow each other as escapes are one letter.
    assert json.loads(escaped) == plain.loads(escaped)
    assert json.loads(escaped.decode()) == json.loads(memoryview(escaped)) == json.loads(bytearray(escaped))
    if b"\xed" not in bare:
        assert json.loads(bare) == whole
    written = in_slices(lambda: json.dumps(whole))
    assert plain.loads(written) == plain.loads(json.dumps(whole))


def test_values_are_not_changed_where_they_are_written() -> None:
    whole = {"a": ["b" * 400, {"c" * 400: "d"}], "e": "short"}
    before = plain.dumps(whole)

    written = in_slices(lambda: json.dumps(whole))

    assert plain.loads(written) == whole
    assert plain.dumps(whole) == before


@pytest.mark.parametrize(
    "broken",
    [
        b'{"a": "' + b"b" * 900,
        b'{"a": "' + b"b" * 900 + b'\\x", "c": 1}',
        b'{"a": "' + b"\x01" * 900 + b'"}',
        b'{"a": "' + b"\xbf" * 900 + b'"}',
        b'{"a": "' + b"b" * 900 + b'" "c"}',
        b'{"a": "' + b"\\ud83" * 300 + b'"}',
    ],
    ids=["no end", "unknown escape", "control letters", "no UTF-8", "two strings", "short escapes"],
)
def test_what_is_not_valid_json_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError):
        json.loads(broken)


def test_model_and_stream_are_found_next_to_long_strings() -> None:
    data = plain.dumps({"text": "\ud83d" * 900, "model": "m", "more": "\\" * 900, "stream": True}).encode()

    assert json.peek(data) == ("m", True)
    assert json.peek_ceiling(plain.dumps({"text": '"' * 900, "max_tokens": 5}).encode()) == 5


def test_numbers_without_strings_are_no_long_string() -> None:
    numbers = list(range(2000))

    assert json.loads(plain.dumps(numbers).encode()) == numbers


@pytest.mark.parametrize("seed", range(200))
def test_strings_that_say_the_same_have_the_same_mark(seed: int) -> None:
    chance = random.Random(seed)
    common = text(chance).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    whole = {"first": common, "more": [common, value(chance)], "x" * 400: "y" * 500}
    escaped, bare = plain.dumps(whole).encode(), json.dumps(whole)
    texts = long_texts.LongTexts(json.loads)

    first, second = texts.cut_out(escaped), texts.cut_out(bare)

    assert texts.put_back(first) == escaped
    assert plain.loads(texts.put_back(second)) == whole
    if len(common) > 300:
        assert plain.loads(first)["first"] == plain.loads(second)["more"][0] != common


def test_marks_of_strings_that_differ_differ() -> None:
    texts = long_texts.LongTexts(json.loads)
    first, second = texts.cut_out(b'["' + b"a" * 400 + b'"]'), texts.cut_out(b'["' + b"a" * 399 + b'b"]')

    assert first != second
    assert texts.put_back(second) == b'["' + b"a" * 399 + b'b"]'


@pytest.mark.usefixtures("small_windows")
def test_long_white_space_between_values_is_left_out() -> None:
    space = b" \n\t\r" * 500
    data = b'{"a":%b[1,%b"  %b",2]%b,"b":3}%b' % (space, space, b" " * 1000, space, space)

    rest, places = long_texts.cut_out(data)

    assert len(rest) < 1500
    assert len(places) == 1
    with json_in_slices():
        assert json.loads(data) == {"a": [1, " " * 1002, 2], "b": 3}
        assert json.peek(data) == (None, False)
        assert json.loads(json.replace_top_level(data, {"b": 4})) == {"a": [1, " " * 1002, 2], "b": 4}
    with pytest.raises(ValueError, match=r"malformed|invalid|Expecting"):
        json.loads(data.replace(b"\r", b"\f"))
