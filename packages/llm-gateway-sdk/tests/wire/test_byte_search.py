"""Searches by the rarest byte find what plain searches find, however frequent that byte is."""

from __future__ import annotations

import random

import pytest

from llm_gateway_sdk.wire.byte_search import count_up_to, has_sign

SIGN = b'"gw1.'
RAREST = SIGN.index(b"1")
PIECES = [b'"', b"1", b"gw1.", b'"gw1', b'gw1."', b"text of some length ", b"-" * 2000, b"1" * 40, b'"' * 40]


def some_bytes(chance: random.Random) -> bytes:
    return b"".join(chance.choices(PIECES, weights=[8, 8, 4, 4, 4, 8, 8, 1, 1], k=chance.choice((0, 3, 40, 200))))


@pytest.mark.parametrize("seed", range(60))
def test_a_sign_is_found_where_it_is(seed: int) -> None:
    chance = random.Random(seed)
    data = some_bytes(chance)
    place = chance.randint(0, len(data))
    with_sign = data[:place] + SIGN + data[place:]

    assert has_sign(data, SIGN, RAREST) == (SIGN in data)
    assert has_sign(with_sign, SIGN, RAREST)
    for start, stop in ((place, None), (place + 1, None), (0, place + len(SIGN)), (0, place + len(SIGN) - 1)):
        assert has_sign(with_sign, SIGN, RAREST, start, stop) == (with_sign.find(SIGN, start, stop) >= 0)


@pytest.mark.parametrize("seed", range(60))
def test_bytes_are_counted_up_to_a_limit(seed: int) -> None:
    data = some_bytes(random.Random(seed))
    for byte in (b'"', b"1", b"-", b"z"):
        count = data.count(byte)
        for limit in (0, 1, 20, 100, 5000):
            found = count_up_to(data, byte, limit)
            assert (found == count) if count <= limit else (found > limit)
