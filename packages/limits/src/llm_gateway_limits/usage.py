"""What each caller has used of each model, hour by hour or day by day, whatever limits there are.

    request ends ── added up in this worker's memory ── every two seconds ── counters of the store, one step for many

A row is a period, a project, a model and a caller with all that is known of it; its figures are counters of the store,
and the log `usage` lists the rows. So the figures of any number of workers add up, a settlement that the store could
not take is sent again without being counted twice, and a report groups by whatever a row has.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from llm_gateway_sdk import (
    MAX_AMOUNT,
    Amount,
    Attempt,
    GatewayServices,
    Prices,
    RequestContext,
    Store,
    StoreError,
    new_lease_id,
)
from llm_gateway_sdk.charges import charge_of, cost_of

from .books import Books
from .estimates import Estimator
from .journal import Settlement

__all__ = ["FIGURES", "LOG", "PERIODS", "UsageBook", "Who", "counter_of", "usage_book", "who_asks"]

LOG = "usage"
FIGURES = ("requests", "failed", "inputTokens", "outputTokens", "cost", "unpriced", "estimated")
"""Of one row: requests, those of them that failed, tokens, nano-dollars, and the calls of providers in which something
without a price was used, and those whose tokens were counted here because the provider's count did not come."""
_REQUESTS, _FAILED, _INPUT, _OUTPUT, _COST, _UNPRICED, _ESTIMATED = range(len(FIGURES))
PERIODS = {"hour": 3600, "day": 86_400}
_ROWS = 200_000
"""Rows that the log keeps."""
_KEPT_SECONDS = 400 * 86_400
"""How long the figures of a row are kept."""
_MOST_ROWS = 20_000
"""Rows of one worker; callers beyond them are counted together, without a name."""
_AT_ONCE = 64

Who = dict[str, Any]
"""What a row has of its caller: `key`, `user`, `team`, `org`, `labels`; what is not known is left out."""


def counter_of(row_id: str, figure: str) -> str:
    """The name of a counter."""
    return f"usage|{row_id}|{figure}"


def who_asks(ctx: RequestContext) -> Who:
    """The caller of a request."""
    principal = ctx.principal
    if principal is None:
        return {"key": f"caller:{ctx.caller}", "user": ctx.caller} if ctx.caller else {}
    found: Who = {
        "key": f"{principal.source}:{principal.id}",
        "user": principal.user,
        "team": principal.team,
        "org": principal.org,
        "labels": dict(principal.labels),
    }
    return {name: value for name, value in found.items() if value}


class _Row:
    __slots__ = ("begins", "event", "id", "listed", "sums", "who")

    def __init__(self, begins: int, project: str, model: str, provider: str, who: Who, caller: object) -> None:
        self.begins = begins
        self.event = {"begins": begins, "project": project, "model": model, "provider": provider, **who}
        written = json.dumps(self.event, sort_keys=True).encode("utf-8", "surrogatepass")
        self.id = hashlib.sha256(written).hexdigest()[:32]
        self.who = caller
        self.listed = False
        self.sums = [0] * len(FIGURES)


class UsageBook:
    """The rows of one worker."""

    def __init__(
        self,
        store: Store,
        books: Books,
        every: str,
        *,
        prices_of_attempt: Callable[[Attempt], Prices | None],
        path_cost: Callable[[str], int | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`every` is one of PERIODS; `path_cost` gives the price of a native call."""
        self._store = store
        self._books = books
        self._seconds = PERIODS[every]
        self._prices_of_attempt = prices_of_attempt
        self._path_cost = path_cost
        self._clock = clock
        self._by_id: dict[str, _Row] = {}
        self._rows: dict[tuple[Any, ...], _Row] = {}
        """The same, by what a request has without any work."""

    def add(self, ctx: RequestContext) -> None:
        """Counts a request that has ended, under the model of each attempt; what was refused before it was sent, or is
        counted once its batch has ended, is left out."""
        attempts = ctx.attempts
        if not attempts:
            if ctx.error is None and ctx.session is None and ctx.operation != "batch":
                self._row(ctx, ctx.requested_model or "", "", ctx.principal or ctx.caller).sums[_REQUESTS] += 1
            return
        if ctx.operation == "batch":
            return
        caller = ctx.principal or ctx.caller
        for attempt in attempts:
            row = self._row(ctx, attempt.model, attempt.target, caller)
            if attempt is attempts[-1]:
                row.sums[_REQUESTS] += 1
                if attempt.error is not None or (attempt.status or 0) >= 400:
                    row.sums[_FAILED] += 1
            self._add_usage(row.sums, ctx, attempt)

    def add_batch(self, ctx: RequestContext, who: Who) -> None:
        """Counts the lines of a batch that has ended, for the caller that submitted it."""
        for attempt in ctx.attempts:
            row = self._row(ctx, attempt.model, attempt.target, json.dumps(who, sort_keys=True), who)
            row.sums[_REQUESTS] += attempt.usage.requests if attempt.usage is not None else 0
            self._add_usage(row.sums, ctx, attempt)

    async def flush(self) -> None:
        """Writes what has been added up. Raises StoreError; what was not written is written by the next call."""
        rows = [row for row in self._by_id.values() if any(row.sums)]
        await self._list([row for row in rows if not row.listed])
        for first in range(0, len(rows), _AT_ONCE):
            amounts = [each for row in rows[first : first + _AT_ONCE] for each in self._taken(row)]
            await self._books.charge(Settlement(new_lease_id(), tuple(amounts), reserved=False))
        present = self._period()
        if any(row.begins < present for row in self._by_id.values()):
            self._by_id = {name: row for name, row in self._by_id.items() if row.begins >= present or any(row.sums)}
            self._rows = {key: row for key, row in self._rows.items() if row.id in self._by_id}

    def _period(self) -> int:
        return int(self._clock() // self._seconds) * self._seconds

    def _row(self, ctx: RequestContext, model: str, target: str, caller: Any, who: Who | None = None) -> _Row:
        begins = self._period()
        name = (caller.source, caller.id) if caller is not None and not isinstance(caller, str) else caller
        key = (begins, ctx.project, model, target, name)
        row = self._rows.get(key)
        if row is not None and (row.who is caller or row.who == caller):
            return row
        if row is None and len(self._rows) >= _MOST_ROWS:
            caller, who = None, {}
        if who is None:
            who = who_asks(ctx)
        made = _Row(begins, ctx.project, model, target.partition("/")[0], who, caller)
        # Another token of the same caller, or another team: the row of this team may be there already.
        made = self._by_id.setdefault(made.id, made)
        made.who = caller
        if row is not None or len(self._rows) < _MOST_ROWS:
            self._rows[key] = made
        return made

    def _add_usage(self, sums: list[int], ctx: RequestContext, attempt: Attempt) -> None:
        usage = attempt.usage
        if ctx.operation == "native" and attempt.error is None and (attempt.status or 0) < 400:
            cost = self._path_cost(ctx.http_request.path)
            sums[_COST] += cost or 0
            sums[_UNPRICED] += cost is None
        if usage is None:
            return
        sums[_INPUT] += usage.input_tokens or 0
        sums[_OUTPUT] += usage.output_tokens or 0
        if attempt.input_precision not in (None, "exact") or attempt.output_precision not in (None, "exact"):
            sums[_ESTIMATED] += 1
        if ctx.operation == "native" or (
            usage.input_tokens is None and usage.output_tokens is None and not usage.pieces
        ):
            return
        prices = self._prices_of_attempt(attempt)
        tier = "batch" if ctx.operation == "batch" else None
        nanos = cost_of(prices, usage, tier=tier) if prices is not None else None
        if nanos is None:
            charge = charge_of(prices, usage, tier=tier) if prices is not None else None
            nanos = charge.nanos if charge is not None else 0
            sums[_UNPRICED] += charge is None or bool(charge.unpriced)
        sums[_COST] += nanos

    def _taken(self, row: _Row) -> Iterable[Amount]:
        """The amounts of a row, which begins again at 0."""
        sums, row.sums = row.sums, [0] * len(FIGURES)
        ends = float(row.begins + self._seconds + _KEPT_SECONDS)
        for figure, amount in zip(FIGURES, sums, strict=True):
            if amount:
                yield Amount(counter_of(row.id, figure), min(amount, MAX_AMOUNT), ends)

    async def _list(self, rows: Sequence[_Row]) -> None:
        """Adds rows to the log, those that no other worker has added."""
        known: set[str] = set()
        names = {f"usage/{row.id}": row for row in rows}
        if names:
            with contextlib.suppress(StoreError):  # a store that keeps no records has some rows twice
                known.update(await self._store.recall(list(names)))
        missing = {name: row for name, row in names.items() if name not in known}
        if missing:
            events = [{"id": row.id, "period": self._seconds, **row.event} for row in missing.values()]
            await self._store.append(LOG, events, keep=_ROWS)
            with contextlib.suppress(StoreError):
                await self._store.keep(dict.fromkeys(missing, b""), 2.0 * self._seconds)
        for row in rows:
            row.listed = True


def usage_book(
    config: Mapping[str, Any], gateway: GatewayServices, books: Books, estimator: Estimator
) -> UsageBook | None:
    """The book of a plugin with these settings; None where nothing is to be added up."""
    if "usage" not in config:
        return None
    return UsageBook(
        gateway.store, books, config["usage"],
        prices_of_attempt=gateway.prices_of_attempt, path_cost=estimator.path_cost,
    )  # fmt: skip
