"""What each caller has used of each model is added up, whatever workers there are and whatever the store does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_gateway_limits.blocks import BlockSettings
from llm_gateway_limits.books import Books
from llm_gateway_limits.journal import Journal
from llm_gateway_limits.usage import UsageBook, who_asks
from llm_gateway_limits.usage_report import UsageQuery, usage_of

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Attempt, Prices, Principal, RequestContext, StoreUnavailable, Usage
from llm_gateway_sdk.model_facts import Band, Rates

PRICES = Prices(tiers={"standard": (Band(0, Rates(input=10**9, output=10**10)),)})
ANN = Principal("ann", "ann", "keys", user="ann", team="red", labels={"env": "prod"})
HOUR = 1_767_225_600.0
"""The beginning of one."""


class Shaky(MemoryStore):
    away = False

    async def settle(self, *args: Any, **options: Any) -> None:
        if self.away:
            raise StoreUnavailable("away")
        await super().settle(*args, **options)


class Worker:
    def __init__(self, store: MemoryStore) -> None:
        self.now = HOUR + 100
        self.books = Books(store, Journal(None), blocks=BlockSettings(share=0.0, seconds=1))
        self.book = UsageBook(
            store, self.books, "hour", path_cost={"/priced": 7}.get, clock=lambda: self.now,
            prices_of_attempt=lambda attempt: None if attempt.model == "unknown" else PRICES,
        )  # fmt: skip

    def ask(self, *attempts: Attempt, who: Principal | None = ANN, **fields: Any) -> None:
        ctx = RequestContext(request_id="r", requested_model="m", **fields)
        ctx.principal = who
        ctx.attempts = list(attempts)
        self.book.add(ctx)


def used(model: str = "m", inputs: int | None = 10, outputs: int | None = 5, **more: Any) -> Attempt:
    return Attempt(model, f"echo/{model}", status=200, usage=Usage(inputs, outputs), **more)


async def report(store: MemoryStore, *by: str, **more: Any) -> dict[tuple[str, ...], dict[str, Any]]:
    rows = await usage_of(store, UsageQuery(by, **more))
    return {tuple(row["group"].get(name, "") for name in by): row for row in rows}


def test_each_attempt_counts_under_its_model_and_a_request_once() -> None:
    async def main() -> None:
        store = MemoryStore()
        worker = Worker(store)
        failed = Attempt("dear", "echo/dear", status=503, error="upstream", usage=Usage(3, 0))
        worker.ask(failed, used())
        worker.ask(used(), used("other", output_precision="estimated"))
        worker.ask(used("unknown"))
        worker.ask()
        await worker.book.flush()
        found = await report(store, "model")
        figures = {model: (row["requests"], row["failed"], row["cost"], row["unpriced"], row["estimated"])
                   for (model,), row in found.items()}  # fmt: skip
        cost = 10 * 1000 + 5 * 10_000
        assert figures == {
            "dear": (0, 0, 3000, 0, 0),
            "m": (2, 0, 2 * cost, 0, 0),
            "other": (1, 0, cost, 0, 1),
            "unknown": (1, 0, 0, 1, 0),
        }

    asyncio.run(main())


def test_workers_and_flushes_add_up() -> None:
    async def main() -> None:
        store = MemoryStore()
        workers = [Worker(store) for _ in range(3)]
        for turn in range(4):
            for worker in workers:
                worker.now = HOUR + 1800 * turn
                worker.ask(used())
                await worker.book.flush()
        rows = await report(store, "hour", zone=None)
        assert [row["requests"] for row in rows.values()] == [6, 6]
        assert [row["inputTokens"] for row in rows.values()] == [60, 60]
        listed = await store.read_since("usage", "")
        assert len(listed) == 2, "one row an hour, though three workers count in it"

    asyncio.run(main())


def test_a_store_that_is_away_loses_and_doubles_nothing() -> None:
    async def main() -> None:
        store = Shaky()
        worker = Worker(store)
        for turn in range(6):
            store.away = turn % 2 == 0
            worker.ask(used())
            await worker.book.flush()
        store.away = False
        await worker.books.keep()
        assert (await report(store))[()]["requests"] == 6

    asyncio.run(main())


def test_a_caller_whose_team_changes_back_and_forth_is_counted_in_both() -> None:
    async def main() -> None:
        store = MemoryStore()
        worker = Worker(store)
        blue = Principal("ann", "ann", "keys", user="ann", team="blue")
        later = Principal("ann", "ann", "keys", user="ann", team="blue", expires=5.0)
        for who in (ANN, blue, ANN, later, blue, ANN):
            worker.ask(used(), who=who)
        await worker.book.flush()
        found = await report(store, "team")
        assert {team: row["requests"] for (team,), row in found.items()} == {"red": 3, "blue": 3}

    asyncio.run(main())


def test_callers_beyond_the_most_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr("llm_gateway_limits.usage._MOST_ROWS", 3)
        store = MemoryStore()
        worker = Worker(store)
        for number in range(10):
            worker.ask(used(), who=Principal(f"k{number}", "k", "keys"))
        await worker.book.flush()
        found = await report(store, "key")
        assert found[("",)]["requests"] == 7
        assert sum(row["requests"] for row in found.values()) == 10

    asyncio.run(main())


def test_native_calls_cost_what_their_path_does() -> None:
    async def main() -> None:
        store = MemoryStore()
        worker = Worker(store)
        for path in ("/priced", "/other"):
            ctx = RequestContext(request_id="r", operation="native")
            ctx.http_request.path = path
            ctx.attempts = [Attempt("m", "openai/m", status=200)]
            worker.book.add(ctx)
        await worker.book.flush()
        row = (await report(store))[()]
        assert (row["requests"], row["cost"], row["unpriced"]) == (2, 7, 1)

    asyncio.run(main())


def test_a_batch_counts_its_lines_for_who_submitted_it() -> None:
    async def main() -> None:
        store = MemoryStore()
        worker = Worker(store)
        submitted = RequestContext(request_id="r", operation="batch")
        submitted.principal = ANN
        worker.book.add(submitted)
        ended = RequestContext(request_id="r", operation="batch")
        ended.attempts = [Attempt("m", "openai/m", usage=Usage(30, 3, requests=3))]
        worker.book.add_batch(ended, who_asks(submitted))
        await worker.book.flush()
        found = await report(store, "team", "label:env")
        assert {group: (row["requests"], row["inputTokens"]) for group, row in found.items()} == {
            ("red", "prod"): (3, 30)
        }

    asyncio.run(main())


def test_old_rows_leave_the_memory_of_a_worker() -> None:
    async def main() -> None:
        worker = Worker(MemoryStore())
        for hour in range(5):
            worker.now = HOUR + 3600 * hour
            worker.ask(used())
            await worker.book.flush()
        assert len(worker.book._by_id) == len(worker.book._rows) == 1

    asyncio.run(main())
