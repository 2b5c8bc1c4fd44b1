"""Work in pieces gives what the work in one piece gives."""

from __future__ import annotations

import random
import re

import pytest

from llm_gateway_sdk.wire import pieces

SIGNS = [b"a", b'"', b"gw1.", b'"gw1.', b",", b"\xc3\xa9", b"{"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 16)


def some_bytes(seed: int) -> bytes:
    chance = random.Random(seed)
    return b"".join(chance.choices(SIGNS, k=chance.choice((0, 3, 40, 200))))


@pytest.mark.parametrize("seed", range(100))
def test_the_same_as_in_one_piece(seed: int) -> None:
    data, more = some_bytes(seed), some_bytes(seed + 1000)

    assert pieces.joined([data, bytearray(more), memoryview(data)]) == data + more + data
    assert pieces.joined_text([data.decode(), "é", more.decode(), "😀"]) == f"{data.decode()}é{more.decode()}😀"
    assert pieces.counted(data, b",", b'"') == data.count(b",") + data.count(b'"')
    assert pieces.replaced(data, b'"gw1.', b'"gw1~') == data.replace(b'"gw1.', b'"gw1~')
    pattern = re.compile(rb'"gw1\.')
    match, whole = pieces.found(pattern, data, 5), pattern.search(data)
    assert (match and match.span()) == (whole and whole.span())


@pytest.mark.parametrize("place", range(40))
def test_what_lies_across_two_pieces_is_found_and_replaced(place: int) -> None:
    data = b"-" * place + b'"gw1.' + b"-" * (40 - place)

    match = pieces.found(re.compile(rb'"gw1\.'), data, 5)

    assert match is not None
    assert match.start() == place
    assert pieces.replaced(data, b'"gw1.', b"").count(b"-") == len(pieces.replaced(data, b'"gw1.', b"")) == 40


@pytest.mark.parametrize("seed", range(100))
def test_a_sign_is_seen_wherever_it_is(seed: int) -> None:
    data = some_bytes(seed)

    for signs in ([b"gw1."], [b'"gw1."'], [b"zz", b"{,{"], [b"\xc3\xa9a", b"zz"], []):
        assert pieces.has_any(data, *signs) == any(sign in data for sign in signs)


@pytest.mark.parametrize("before", range(40))
def test_a_sign_that_a_piece_ends_in_is_seen(before: int) -> None:
    assert pieces.has_any(b"-" * before + b"gw1." + b"-" * 40, b"zz", b"gw1.")
