"""What a provider has left for us, as its replies report it, and how long a request has to wait for its share.

Providers write limit, rest and reset of each rate into the headers of every reply: `x-ratelimit-remaining-tokens` and
`x-ratelimit-reset-tokens: 6m0s` (OpenAI, Azure, Groq), `anthropic-ratelimit-input-tokens-remaining` with a moment in
RFC 3339 (Anthropic). The reset is when the rate is full again; until then it fills evenly.

A report is as old as its request: what was sent later is not in it and is taken off here, and what has come back since
is added. Requests overtake each other on their way, so that what was sent shortly before may be missing too: it is
taken off as well, and of two reports from about the same time the lower one counts. A report of long before the one
that is known is left out: a long reply begins late, with old numbers.

Sources: https://platform.openai.com/docs/guides/rate-limits, https://docs.anthropic.com/en/api/rate-limits
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from .waiting import decode_reset, retry_after

__all__ = ["RATE_LIMIT_HEADERS", "Need", "UpstreamQuota"]

RATE_LIMIT_HEADERS: Mapping[str, tuple[str, str]] = {
    **{
        f"x-ratelimit-{what}-{unit}": (what, unit)
        for what in ("limit", "remaining", "reset")
        for unit in ("requests", "tokens")
    },
    **{
        f"anthropic-ratelimit-{unit}-{what}": (what, unit)
        for what in ("limit", "remaining", "reset")
        for unit in ("requests", "tokens", "input-tokens", "output-tokens")
    },
}
"""What the headers hold (`limit`, `remaining`, `reset`) of which unit."""

Need = Mapping[str, float]
"""What one request takes of each unit: `requests`, `tokens`, `input-tokens`, `output-tokens`."""

_WINDOW_SECONDS = 60.0
"""In which a rate fills whose reset is not reported: the rates of all vendors are per minute."""
_COARSE_SECONDS = 10.0
"""Below which a reset in whole seconds is too inexact to measure a rate by."""
_REFUSED_SECONDS = 1.0
"""For how long nothing is sent after a 429 that reports nothing."""
_BELIEVED_SECONDS = 300.0
"""For how long it is believed that nothing is left: then the provider is asked again. One reply with a wait of a month,
which may be a slip, would close a model that is well for as long."""
_OVERTAKING_SECONDS = 2.0
"""By which a request that was sent earlier may reach the provider later."""
_MOST_SENT = 10_000


@dataclass(slots=True)
class _Rate:
    """One rate: `left` at the time `at`, to which `speed` per second comes back."""

    limit: float
    left: float
    at: float
    speed: float
    sent: float
    """When the request was sent whose report it is."""

    def now(self, now: float) -> float:
        return min(self.limit, self.left + self.speed * max(0.0, now - self.at))

    def take(self, amount: float, now: float) -> None:
        self.left = min(self.limit, self.now(now) - amount)
        self.at = max(self.at, now)


class UpstreamQuota:
    """The rates of one configured model. Times are seconds since the epoch; not for several threads.

    `request` names a request among those under way, and no other at the same time: not the id of its context, which
    its client may have chosen.
    """

    __slots__ = ("_closed_until", "_rates", "_sent")

    def __init__(self) -> None:
        self._rates: dict[str, _Rate] = {}
        self._sent: dict[Hashable, tuple[float, Need]] = {}
        """Requests whose reply has not begun, and when they were sent."""
        self._closed_until = 0.0

    def wait(self, need: Need, now: float) -> float:
        """Seconds until a request may be sent that takes `need`; 0 where nothing is known against it."""
        longest = max(0.0, self._closed_until - now)
        for unit, rate in self._rates.items():
            # What is larger than the whole rate goes when that is full: the provider alone knows whether it takes it.
            missing = min(need.get(unit, 0.0), rate.limit) - rate.now(now)
            if missing > 1e-6 and need.get(unit):
                believed = rate.sent + _BELIEVED_SECONDS - now
                longest = max(longest, min(missing / rate.speed, believed))
        return longest

    def take(self, request: Hashable, need: Need, now: float) -> None:
        """The request is sent."""
        if len(self._sent) < _MOST_SENT:
            self._sent[request] = now, need
        for unit, rate in self._rates.items():
            rate.take(need.get(unit, 0.0), now)

    def release(self, request: Hashable, now: float) -> None:
        """It is over. Where no reply has begun, what it took is given back."""
        _, need = self._sent.pop(request, (now, {}))
        for unit, amount in need.items():
            if unit in self._rates:
                self._rates[unit].take(-amount, now)

    def learn(self, request: Hashable, status: int, headers: Iterable[tuple[str, str]], now: float) -> None:
        """The reply to a request has begun. Header names are in lower case. Never raises."""
        sent, _ = self._sent.pop(request, (now, {}))
        found: dict[str, dict[str, str]] = {}
        for name, value in headers:
            meaning = RATE_LIMIT_HEADERS.get(name)
            if meaning is not None:
                found.setdefault(meaning[1], {})[meaning[0]] = value
        for unit, values in found.items():
            self._learn_rate(unit, values, sent, now)
        if status == 429:
            seconds = retry_after(dict(headers), now=now)
            closed = _REFUSED_SECONDS if seconds is None else min(seconds, _BELIEVED_SECONDS)
            self._closed_until = max(self._closed_until, now + closed)

    def _learn_rate(self, unit: str, values: Mapping[str, str], sent: float, now: float) -> None:
        remaining, known = _number(values.get("remaining")), self._rates.get(unit)
        if remaining is None or (known is not None and sent < known.sent - _OVERTAKING_SECONDS):
            return
        limit = _number(values.get("limit"))
        if limit is None:
            limit = max(remaining, known.limit if known is not None else 0.0)
        limit = max(limit, remaining, 1.0)
        reset = values.get("reset", "")
        seconds = decode_reset(reset, now=now)
        exact = "." in reset or "ms" in reset
        if remaining < limit and seconds and (exact or seconds >= _COARSE_SECONDS):
            speed = (limit - remaining) / seconds
        else:
            speed = limit / _WINDOW_SECONDS if known is None else known.speed
        missing = sum(need.get(unit, 0.0) for at, need in self._sent.values() if at >= sent - _OVERTAKING_SECONDS)
        found = _Rate(limit, remaining - missing, sent, speed, sent)
        if known is None or sent > known.sent + _OVERTAKING_SECONDS or found.now(now) <= known.now(now):
            self._rates[unit] = found
        else:
            known.speed, known.limit = speed, limit


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None and len(text) < 32 else -1.0
    except ValueError:
        return None
    return number if 0 <= number < 1e15 else None
