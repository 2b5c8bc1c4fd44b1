"""The timer of idle connections, by a clock of the test's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from llm_gateway.server.http1.idle import IdleTimer


class _Loop:
    def __init__(self) -> None:
        self.now = 0.0
        self.armed: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Any) -> Any:
        handle = SimpleNamespace(at=self.now + seconds, call=call, cancelled=False)
        handle.cancel = lambda: setattr(handle, "cancelled", True)
        self.armed.append(handle)
        return handle

    def go_to(self, now: float) -> None:
        self.now = now
        for handle in [each for each in self.armed if each.at <= now]:
            self.armed.remove(handle)
            if not handle.cancelled:
                handle.call()


class _Connection:
    is_idle = True
    closed = False

    def close_if_idle(self) -> None:
        self.closed = self.is_idle


def _scene() -> tuple[_Loop, _Connection, IdleTimer]:
    loop, connection = _Loop(), _Connection()
    door = cast("Any", SimpleNamespace(loop=loop, limits=SimpleNamespace(idle_timeout=10.0)))
    return loop, connection, IdleTimer(door, connection)


def test_an_idle_connection_is_closed_in_time_and_one_timer_serves_many_requests() -> None:
    loop, connection, timer = _scene()
    for second in range(6):
        loop.now = float(second)
        timer.begin()
    assert len(loop.armed) == 1
    loop.go_to(10.0)
    assert not connection.closed, "it became idle at 5"
    loop.go_to(15.0)
    assert connection.closed


def test_a_busy_connection_is_left_and_watched_again_once_it_is_idle() -> None:
    loop, connection, timer = _scene()
    timer.begin()
    connection.is_idle = False
    loop.go_to(10.0)
    connection.is_idle = True
    loop.go_to(30.0)
    assert not connection.closed
    timer.begin()
    loop.go_to(40.0)
    assert connection.closed


def test_after_its_end_nothing_is_closed() -> None:
    loop, connection, timer = _scene()
    timer.begin()
    timer.end()
    loop.go_to(100.0)
    assert not connection.closed
