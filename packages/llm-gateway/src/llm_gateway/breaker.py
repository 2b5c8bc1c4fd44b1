"""A circuit breaker per provider target: stops calling what fails, and probes whether it has recovered.

Which errors count as failures is decided by who calls it, `exchange/attempts.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_gateway_sdk.waiting import bounded_seconds

__all__ = ["Breaker", "BreakerSettings"]


@dataclass(slots=True, frozen=True)
class BreakerSettings:
    """Times are seconds."""

    enabled: bool = True
    failures: int = 5
    """Failures in a row, all within `window`, that open it."""
    window: float = 30.0
    cooldown: float = 15.0
    """First pause; it doubles with each failed probe up to `max_cooldown`."""
    max_cooldown: float = 300.0
    probes: int = 1
    """Calls let through at once when the pause is over."""


_PROBE_SECONDS = 1.0
"""While a probe is out, its outcome may be known soon."""


class Breaker:
    """`closed` lets calls through, `open` refuses until the pause is over, `half_open` lets a probe through."""

    __slots__ = (
        "_clock",
        "_failures",
        "_first_failure",
        "_longest",
        "_pause",
        "_probing",
        "_settings",
        "_until",
        "opened",
    )

    def __init__(self, settings: BreakerSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._failures = 0
        self._first_failure = 0.0
        self._until = 0.0
        self._pause = settings.cooldown
        self._longest = max(settings.max_cooldown, settings.cooldown)
        self._probing = 0
        self.opened = 0
        """How often it opened."""

    @property
    def state(self) -> str:
        if self._until == 0.0:
            return "closed"
        return "open" if self._clock() < self._until else "half_open"

    def wait(self) -> float:
        """Seconds until a call may be made; 0 lets this one through, and counts it as a probe where one is due."""
        if self._until == 0.0:
            return 0.0
        left = self._until - self._clock()
        if left > 0:
            return left
        if self._probing < self._settings.probes:
            self._probing += 1
            return 0.0
        return min(self._pause, _PROBE_SECONDS)

    def release(self) -> None:
        """A probe ended without an outcome (the client left)."""
        if self._probing:
            self._probing -= 1

    def success(self) -> None:
        if self._failures or self._until:
            self._failures = 0
            self._until = 0.0
            self._pause = self._settings.cooldown
            self._probing = 0

    def failure(self, retry_after: float | None = None) -> None:
        if not self._settings.enabled:
            return
        now = self._clock()
        if self._until:
            # A probe failed, or a call that began before the opening, which may know of a longer pause.
            if now >= self._until:
                self._pause = min(self._pause * 2, self._longest)
                self._until = self._end(now, retry_after)
                self._probing = 0
            elif retry_after is not None:
                self._until = max(self._until, self._end(now, retry_after, least=0.0))
            return
        if self._failures == 0 or now - self._first_failure > self._settings.window:
            self._failures = 0
            self._first_failure = now
        self._failures += 1
        if self._failures >= self._settings.failures:
            self._until = self._end(now, retry_after)
            self._probing = 0
            self.opened += 1

    def _end(self, now: float, retry_after: float | None, *, least: float | None = None) -> float:
        """When the pause is over: what a provider asks for counts, up to the longest pause."""
        asked = bounded_seconds(retry_after) or 0.0
        return now + min(max(self._pause if least is None else least, asked), self._longest)
