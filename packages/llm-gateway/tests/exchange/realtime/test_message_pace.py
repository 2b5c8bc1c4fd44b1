"""Messages in a burst are taken at once, those of a flood at the rate."""

from __future__ import annotations

from llm_gateway.exchange.realtime.message_pace import MessagePace


def test_a_burst_passes_and_a_flood_is_slowed_down_to_the_rate() -> None:
    now = 0.0
    pace = MessagePace(10.0, lambda: now)

    assert [pace.count() for _ in range(50)] == [0.0] * 50
    taken = 0
    while now < 10:
        now += max(pace.count(), 0.001)
        taken += 1
    assert 95 <= taken <= 110


def test_a_rate_of_zero_is_not_a_bound() -> None:
    pace = MessagePace(0.0, lambda: 0.0)

    assert not any(pace.count() for _ in range(10_000))
