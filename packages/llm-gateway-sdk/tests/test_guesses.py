"""The limit on wrong credentials."""

from __future__ import annotations

from llm_gateway_sdk.guesses import WINDOW_SECONDS, GuessLimit


def test_an_address_has_its_number_of_guesses_and_others_have_theirs() -> None:
    limit = GuessLimit(3)

    assert [limit.failed("a") for _ in range(5)] == [False, False, False, True, True]
    assert not limit.failed("b")


def test_guesses_are_forgotten_after_a_minute() -> None:
    now = 0.0
    limit = GuessLimit(1, clock=lambda: now)
    assert [limit.failed("a"), limit.failed("a")] == [False, True]
    now = WINDOW_SECONDS

    assert not limit.failed("a")


def test_addresses_that_are_invented_do_not_fill_the_memory() -> None:
    limit = GuessLimit(1, addresses=10)
    for number in range(1000):
        limit.failed(str(number))

    assert len(limit._counts) == 10
