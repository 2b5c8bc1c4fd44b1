"""Work in pieces gives what the work in one piece gives."""

from __future__ import annotations

import random
import re
import tracemalloc

import pytest

from llm_gateway_sdk.wire import pieces
from llm_gateway_sdk.wire.pieces import PIECE_BYTES, has, text_has_any

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
    for errors in ("replace", "surrogateescape", "ignore"):
        assert pieces.decoded(data + more[:-1], errors) == (data + more[:-1]).decode("utf-8", errors)
    words = data.decode() + "\ud83d\ude00" + more.decode()
    assert pieces.encoded(words, "surrogatepass") == words.encode("utf-8", "surrogatepass")
    assert pieces.encoded(data.decode()) == data
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


@pytest.mark.parametrize("size", range(0, 90, 7))
def test_the_first_and_the_last_place_are_those_of_the_whole(size: int) -> None:
    chance = random.Random(size)
    for _ in range(50):
        data = bytes(chance.choice(b"ab") for _ in range(size))
        for sign in (b"a", b"ab", b"bba", b"abab"):
            assert pieces.first_place(data, sign) == data.find(sign)
            assert pieces.last_place(data, sign) == data.rfind(sign)


@pytest.mark.parametrize("before", range(40))
def test_a_sign_that_a_piece_ends_in_is_seen(before: int) -> None:
    assert pieces.has_any(b"-" * before + b"gw1." + b"-" * 40, b"zz", b"gw1.")


@pytest.mark.parametrize("invalid", [b"a" * 40 + b"\xff", b"a" * 40 + b"\xc3", b"\xed\xa0\xbd" * 9])
def test_other_bytes_than_utf_8_are_refused(invalid: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        pieces.decoded(invalid)
    with pytest.raises(UnicodeEncodeError):
        pieces.encoded("a" * 40 + "\ud83d")


def test_large_bytes_are_joined_without_a_second_copy() -> None:
    """A buffer that grows is moved again and again, and each move is one call that copies all of it."""
    data = bytes(300_000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        whole = pieces.joined([data] * 20)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(whole) == 6_000_000
    assert peak - before < 6_100_000
    assert held - before < 6_100_000


@pytest.mark.parametrize("place", [0, 5, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 3])
def test_signs_are_found_wherever_they_are(place: int) -> None:
    text = "a" * place + '" ' + "b" * 5

    assert text_has_any(text, "\\", '" ')
    assert has(text.encode(), b'" ')
    assert not text_has_any(text.replace('"', "c"), "\\", '" ')
    assert not has(text.replace('"', "c").encode(), b'" ')
