"""How fast requests must arrive, by a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from llm_gateway.server.http1.door import Limits
from llm_gateway.server.http1.pace import SLOWEST, Pace


@dataclass
class _Timer:
    when: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class _Clock:
    now: float = 0.0
    timers: list[_Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> _Timer:
        timer = _Timer(self.now + seconds, call)
        self.timers.append(timer)
        return timer

    def forward(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.timers if not timer.cancelled and timer.when <= until]:
            timer = min(due, key=lambda each: each.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.call()
        self.now = until


class _Door:
    limits = Limits(header_timeout=30.0)

    def __init__(self) -> None:
        self.clock = _Clock()
        self.loop = cast(asyncio.AbstractEventLoop, self.clock)


def paced() -> tuple[Pace, _Clock, list[float], Callable[[], None]]:
    door = _Door()
    refused: list[float] = []
    return Pace(cast(Any, door)), door.clock, refused, lambda: refused.append(door.clock.now)


def test_a_head_in_drops_is_given_up_after_its_time() -> None:
    pace, clock, refused, slow = paced()
    for _ in range(40):
        pace.head(slow)
        clock.forward(1)

    assert refused[:1] == [30.0]


def test_a_body_may_take_long_where_it_keeps_coming() -> None:
    pace, clock, refused, slow = paced()
    arrived = 0
    for _ in range(600):
        arrived += 2 * SLOWEST
        pace.body(arrived, slow)
        clock.forward(1)

    assert refused == []


def test_what_came_long_ago_does_not_pay_for_drops_now() -> None:
    pace, clock, refused, slow = paced()
    pace.body(1, slow)
    clock.forward(0.1)
    arrived = 64 << 20
    for _ in range(120):
        pace.body(arrived, slow)
        arrived += 1
        clock.forward(1)

    assert refused, "a sender of one byte per second holds 64 MiB"
    assert refused[0] <= 61


def test_silence_ends_a_body() -> None:
    pace, clock, refused, slow = paced()
    pace.body(10 << 20, slow)
    clock.forward(60)

    assert refused == [30.0]


def test_the_time_in_which_nothing_is_read_does_not_count() -> None:
    pace, clock, refused, slow = paced()
    pace.body(1000, slow)
    pace.hold()
    clock.forward(100)
    pace.go_on()
    clock.forward(29)

    assert refused == []
    clock.forward(2)
    assert len(refused) == 1


def test_a_whole_request_leaves_no_timer() -> None:
    pace, clock, refused, slow = paced()
    pace.body(1000, slow)
    pace.end()
    clock.forward(1000)

    assert refused == []
    assert not pace.reading
