"""How a rate's bucket fills and drains."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.stores.records import Counter, Held
from llm_gateway_sdk.store import Entry, Rate

MINUTE = Rate.per(60, 60)
RATES = st.sampled_from([MINUTE, Rate.per(1, 1), Rate.per(1000, 60), Rate.per(7, 3600), Rate.per(10**9, 60)])


def filled(rate: Rate, amount: int, now: int = 0) -> Counter:
    counter = Counter()
    counter.drain(rate, now)
    counter.fill(amount, now)
    return counter


def units(counter: Counter, rate: Rate) -> int:
    """What is in the bucket, rounded up."""
    return -(-counter.level // rate.ticks)


def test_a_full_bucket_is_empty_after_its_period() -> None:
    counter = filled(MINUTE, 60)
    assert units(counter, MINUTE) == 60
    counter.drain(MINUTE, 30_000)
    assert units(counter, MINUTE) == 30
    counter.drain(MINUTE, 60_000)
    assert counter.level == 0


@given(RATES, st.integers(1, 1000), st.lists(st.integers(0, 100_000), max_size=20))
def test_it_drains_alike_in_many_steps_and_in_one(rate: Rate, amount: int, steps: list[int]) -> None:
    stepped, at_once, now = filled(rate, amount), filled(rate, amount), 0
    for step in steps:
        now += step
        stepped.drain(rate, now)
    at_once.drain(rate, now)

    assert stepped.level == at_once.level


@given(RATES, st.integers(1, 1000), st.integers(1, 10**9))
def test_after_the_time_to_wait_what_was_asked_for_has_drained(rate: Rate, amount: int, part: int) -> None:
    counter = filled(rate, amount)
    level = min(counter.level, part)
    seconds = counter.wait(level, rate, 0)
    before = counter.level
    counter.drain(rate, seconds)

    assert seconds >= 1
    assert before - counter.level >= level


def test_a_clock_that_goes_backwards_takes_out_nothing() -> None:
    counter = filled(MINUTE, 10, now=100_000)
    before = counter.level
    counter.drain(MINUTE, 0)

    assert counter.level == before
    assert counter.wait(0, MINUTE, 0) == 0


def test_another_period_keeps_what_is_in_the_bucket() -> None:
    counter, hour = filled(MINUTE, 10), Rate.per(60, 3600)
    counter.drain(hour, 0)

    assert units(counter, hour) == 10


def test_what_is_given_back_is_never_more_than_what_is_there() -> None:
    counter = filled(MINUTE, 10)
    counter.fill(-4, 0)
    assert units(counter, MINUTE) == 6
    counter.fill(-100, 0)
    assert counter.level == 0


def test_what_has_drained_by_itself_is_not_given_back_again() -> None:
    counter = filled(MINUTE, 10)
    held = Held.of(Entry("k", 10, rate=MINUTE), 0)
    counter.drain(MINUTE, 5_000)
    counter.fill(3, 5_000)
    counter.fill(-10, 5_000, drained=held.drained(5_000))

    assert units(counter, MINUTE) == 3
