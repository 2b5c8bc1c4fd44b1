"""What limits write down: refusals for the log, whom they have counted for, and their own figures."""

from __future__ import annotations

from collections import deque
from typing import Any

from llm_gateway_sdk import Conflict, CounterState, GatewayServices, RequestContext

from .applied import Applied
from .plans import Subject, Term
from .rules import Rule
from .subjects import document_of, known_subjects, subject_key

__all__ = ["Records"]

_AT_ONCE = 256
"""Subjects that one document names."""
_MOST_EVENTS = 1000
"""Events that wait for the log; more are left out."""
_MOST_SUBJECTS = 100_000


class Records:
    """Gathers in memory, so that no request waits for it; `flush` writes what has been gathered."""

    def __init__(self, gateway: GatewayServices, retention: int) -> None:
        """`retention` is how many events the log keeps."""
        self._gateway = gateway
        self._retention = retention
        self._events: deque[dict[str, Any]] = deque()
        self._subjects: set[tuple[str, Subject]] = set()
        self._new_subjects: deque[tuple[Rule, Subject]] = deque()
        self._written: set[str] | None = None
        """The names of subjects that are in the store already; None until it was looked at."""
        self.counts: dict[str, float] = {
            "refused_total": 0, "warned_total": 0, "shadow_total": 0, "unasked_total": 0, "queued_total": 0,
            "queued_seconds_total": 0.0,
        }  # fmt: skip
        """Figures for metrics, by their names."""

    def event(self, kind: str, each: Applied, state: CounterState, **more: Any) -> None:
        """`kind` is `refused` or `shadow`."""
        if len(self._events) >= _MOST_EVENTS:
            return
        scale = each.rule.scale
        self._events.append(
            {
                "kind": kind,
                "limit": each.rule.name,
                "measure": each.rule.measure,
                "subject": dict(each.term.subject),
                "asked": each.amount,
                "settled": state.settled * scale,
                "open": state.open * scale,
                "of": (state.limit or 0) * scale,
                "retryAfter": state.retry_after,
                "project": self._gateway.project,
                "place": each.rule.place,
                **more,
            }
        )

    def waited(self, ctx: RequestContext, seconds: float) -> None:
        """A request has waited in turn for so long."""
        ctx.timings["limits.queue"] = ctx.timings.get("limits.queue", 0.0) + seconds
        self.counts["queued_total"] += 1
        self.counts["queued_seconds_total"] += seconds

    def remember(self, term: Term) -> None:
        """Keeps a list of subjects, so that the state of a limit can be shown for all of them."""
        known = term.counter if term.rule.when else ("", term.subject)
        if known not in self._subjects and len(self._subjects) < _MOST_SUBJECTS:
            self._subjects.add(known)
            self._new_subjects.append((term.rule, term.subject))

    def name_request(self, request_id: str) -> None:
        """The events that have no request yet are of this one."""
        for event in self._events:
            event.setdefault("request", request_id)

    async def flush(self) -> None:
        """Raises StoreError; what was not written is written by the next call."""
        if self._new_subjects:
            await self._write_subjects()
        if self._events:
            events = [self._events.popleft() for _ in range(len(self._events))]
            await self._gateway.store.append("limits", events, keep=self._retention)

    async def _write_subjects(self) -> None:
        store = self._gateway.store
        if self._written is None:
            self._written = await known_subjects(store)
        written = self._written
        while self._new_subjects:
            some = [self._new_subjects[place] for place in range(min(_AT_ONCE, len(self._new_subjects)))]
            names = [name for name in dict.fromkeys(subject_key(*each) for each in some) if name not in written]
            if names:
                key, value = document_of(names)
                try:
                    await store.put(key, value, expected=0)
                except Conflict:  # another worker has written it, and others perhaps
                    written |= {key, *await known_subjects(store)}
                    continue
                written.update(names)
            for _ in some:
                self._new_subjects.popleft()
