import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.breaker import Breaker, BreakerSettings


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(*, retry_after=None, **settings):
    clock = Clock()
    breaker = Breaker(BreakerSettings(failures=2, cooldown=1.0, max_cooldown=60.0, **settings), clock)
    for _ in range(2):
        breaker.failure(retry_after)
    assert breaker.state == "open"
    return breaker, clock


def open_for(breaker, clock):
    left = breaker.wait()
    clock.now += left
    assert breaker.state != "open"
    return left


def test_failures_in_a_row_open_it_and_a_good_probe_closes_it():
    breaker, clock = opened()
    assert breaker.wait() == 1.0
    clock.now += 1.0
    assert breaker.state == "half_open"
    assert breaker.wait() == 0.0
    assert breaker.wait() > 0.0
    breaker.success()
    assert (breaker.state, breaker.wait()) == ("closed", 0.0)


def test_a_failed_probe_doubles_the_pause_up_to_the_longest():
    breaker, clock = opened()
    pauses = []
    for _ in range(9):
        pauses.append(open_for(breaker, clock))
        assert breaker.wait() == 0.0
        breaker.failure()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("retry_after", [99999999.0, 1e300, math.inf, 61.0])
def test_no_retry_after_opens_it_for_longer_than_the_longest_pause(retry_after):
    breaker, clock = opened(retry_after=retry_after)
    assert open_for(breaker, clock) == 60.0
    breaker.wait()
    breaker.failure(retry_after)
    assert open_for(breaker, clock) == 60.0


def test_an_open_breaker_takes_the_later_end():
    breaker, clock = opened()
    breaker.failure(30.0)
    assert breaker.wait() == 30.0
    breaker.failure(5.0)
    assert breaker.wait() == 30.0
    breaker.failure(None)
    assert breaker.wait() == 30.0
    clock.now += 10.0
    breaker.failure(25.0)
    assert breaker.wait() == 25.0


def test_what_a_late_call_reports_is_bounded_too():
    breaker, _ = opened()
    breaker.failure(1e9)
    assert breaker.wait() == 60.0


def test_a_probe_that_ends_without_an_outcome_makes_room_for_another():
    breaker, clock = opened()
    clock.now += 1.0
    assert breaker.wait() == 0.0
    breaker.release()
    assert breaker.wait() == 0.0


def test_a_disabled_one_never_opens():
    breaker = Breaker(BreakerSettings(enabled=False, failures=1), Clock())
    breaker.failure(30.0)
    assert breaker.state == "closed"


@given(
    st.lists(
        st.tuples(st.sampled_from(["failure", "success", "wait", "release", "tick"]), st.none() | st.floats()),
        max_size=40,
    )
)
def test_whatever_happens_it_is_never_closed_off_for_longer_than_the_longest_pause(events):
    clock = Clock()
    breaker = Breaker(BreakerSettings(failures=2, cooldown=1.0, max_cooldown=60.0), clock)
    for event, value in events:
        match event:
            case "failure":
                breaker.failure(value)
            case "tick":
                clock.now += 7.0
            case _:
                getattr(breaker, event)()
        assert breaker._until - clock.now <= 60.0
