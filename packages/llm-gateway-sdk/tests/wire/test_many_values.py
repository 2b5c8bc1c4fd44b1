"""JSON with very many values, read in pieces: the same values as in one piece, and the same errors."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from llm_gateway_sdk.heavy import json_in_slices
from llm_gateway_sdk.wire import json, many_values
from llm_gateway_sdk.wire.many_values import PIECE_BYTES, read_in_pieces


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_values, "PIECE_BYTES", 40)
    monkeypatch.setattr(json, "MANY_BYTES", 60)
    monkeypatch.setattr(json, "_MANY", 61)


def outcome(data: bytes | str) -> Any:
    try:
        return json.loads(data), None
    except ValueError as error:
        return None, str(error)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("seed", range(2))
def test_every_text_is_read_as_in_one_piece(seed: int, grammar: Any) -> None:
    chance = random.Random(seed)
    split = 0
    for _ in range(60):
        data = grammar.written(chance, 6).encode()
        for tried in (data, grammar.damaged(chance, data), grammar.damaged(chance, grammar.damaged(chance, data))):
            whole = outcome(tried)
            with json_in_slices():
                assert outcome(tried) == whole, tried
            split += len(tried) > 60 and read_in_pieces(tried, json.loads) is not None

    assert split > 20


@pytest.mark.usefixtures("small_pieces")
def test_of_two_equal_keys_the_last_counts_in_whatever_piece_it_is() -> None:
    data = b'{"a": 1, %b "a": {"b": 2, "b": [3]}}' % (b'"filler": "some words", ' * 20)

    with json_in_slices():
        assert json.loads(data) == {"a": {"b": [3]}, "filler": "some words"}


@pytest.mark.usefixtures("small_pieces")
def test_half_a_letter_is_read_where_it_comes() -> None:
    data = b'["%b", "\\ud83d", %b]' % (b"words " * 30, b'"x", ' * 40 + b"1")

    with json_in_slices():
        assert json.loads(data)[1] == "\ud83d"
        assert json.loads(data.decode()) == json.loads(data)


MANY = {
    "keys": b"{" + b",".join([b'"k%d":"v"' % index for index in range(40_000)]) + b"}",
    "messages": b'{"messages":[' + b",".join([b'{"role":"user","content":"a"}'] * 20_000) + b"]}",
    "texts": b"[" + b",".join([b'"a"'] * 90_000) + b"]",
    "a deep list": b'{"a":[{"b":[[[[[' + b",".join([b'"a"'] * 90_000) + b"]]]]]}]}",
    "deep values": b"[" + b",".join([b'{"a":' * 12 + b"1" + b"}" * 12] * 2_000) + b"]",
    "long keys": b"{" + b",".join([b'"%d%b":[]' % (index, b"k" * 2000) for index in range(2_000)]) + b"}",
}


@pytest.mark.parametrize("name", MANY)
def test_no_call_of_the_engine_reads_more_than_a_piece(name: str) -> None:
    asked: list[int] = []

    def decode(data: bytes) -> Any:
        asked.append(len(data))
        return json.loads(data)

    began = time.process_time()

    assert read_in_pieces(MANY[name], decode) == json.loads(MANY[name])

    assert max(asked) <= PIECE_BYTES + 2
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 500_000, id="openings"),
        pytest.param(b'{"a":' * 200_000, id="objects"),
        pytest.param(b'["' + b"\\" * 1_000_001, id="backslashes"),
        pytest.param(b"[" + b'"a" ' * 250_000 + b"]", id="no commas"),
        pytest.param(b"[" + b"1" * 1_000_000, id="digits"),
        pytest.param(b"[" + b" " * 1_000_000, id="spaces"),
        pytest.param(b"[" + b'{"a":[' * 4 + b"1," * 500_000, id="no end"),
    ],
)
def test_a_text_that_is_not_valid_costs_no_more_than_its_length(data: bytes) -> None:
    began = time.process_time()

    with json_in_slices():
        assert outcome(data)[1]

    assert time.process_time() - began < 3
