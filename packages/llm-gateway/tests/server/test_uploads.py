"""Memory for bodies that are arriving: a bound, and shares."""

from __future__ import annotations

import pytest

from llm_gateway.server import uploads
from llm_gateway.server.uploads import UploadPool, in_flight_bytes, pool_bytes, slow_reader_bytes

MIB = 1 << 20


def test_one_address_may_use_half_while_others_need_none() -> None:
    pool = UploadPool(160, 10)
    pool.take("a", 80)
    assert not pool.is_full("a")
    pool.take("a", 1)
    assert pool.is_full("a")
    assert not pool.is_full("b")


def test_when_it_grows_scarce_each_address_has_its_share() -> None:
    pool = UploadPool(160, 10)
    for number in range(9):
        pool.take(f"stranger-{number}", 10)
    pool.take("stranger-0", 11)
    assert pool.is_full("stranger-0")
    pool.take("known", 10)
    assert not pool.is_full("known")


def test_what_is_given_back_is_free_and_forgotten() -> None:
    pool = UploadPool(100, 10)
    for number in range(1000):
        pool.take(str(number), 5)
        pool.give_back(str(number), 5)

    assert pool.used == 0
    assert pool._by_address == {}


def test_a_whole_body_fits_into_any_share() -> None:
    pool = UploadPool(10, 64)

    assert (pool.limit, pool.share) == (64, 64)


@pytest.mark.parametrize(
    ("memory", "workers", "expected"),
    [(64 << 30, 1, 1024 * MIB), (1 << 30, 1, 256 * MIB), (1 << 30, 4, 128 * MIB), (None, 4, 1024 * MIB)],
)
def test_the_pool_is_a_part_of_the_memory_that_there_is(
    memory: int | None, workers: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_memory", lambda: memory)

    assert pool_bytes(64 * MIB, workers) == expected
    assert slow_reader_bytes(workers) >= 64 * MIB


@pytest.mark.parametrize(("memory", "workers", "expected"), [(8 << 30, 1, 1 << 30), (8 << 30, 4, 256 * MIB)])
def test_bodies_in_flight_have_a_part_of_the_memory_too(
    memory: int, workers: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_memory", lambda: memory)

    assert in_flight_bytes(workers) == expected
