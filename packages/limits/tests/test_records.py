"""What limits write down is gathered in memory and written together."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from llm_gateway_sdk import CounterState, StoreUnavailable

sys.path.insert(0, str(Path(__file__).parent))

from limits_case import Case
from llm_gateway_limits.reporting import state_of
from llm_gateway_limits.rules import compile_rules
from llm_gateway_limits.subjects import SUBJECTS

DAY = {"name": "day", "per": ["key"], "tokens": 1000, "window": {"calendar": "day"}}


def test_refusals_are_in_the_log_with_their_request() -> None:
    async def main() -> None:
        case = Case(DAY)
        _, spending = case.asked()
        case.records.event("refused", spending.applied[0], CounterState("key", settled=950, open=20, limit=1000))
        case.records.name_request("req_1")
        case.records.event(
            "shadow", spending.applied[0], CounterState("key", settled=0, open=0, limit=1000), request="req_2"
        )
        await case.records.flush()

        first, second = [each.event for each in await case.store.read_since("limits")]
        assert (first["kind"], first["request"], first["settled"], first["open"]) == ("refused", "req_1", 950, 20)
        assert first["subject"] == {"key": "keys:ann"}
        assert (second["kind"], second["request"]) == ("shadow", "req_2")

    asyncio.run(main())


def test_each_subject_is_written_once() -> None:
    async def main() -> None:
        case = Case(DAY)
        for _ in range(3):
            for each in case.asked()[1].applied:
                case.records.remember(each.term)
            await case.records.flush()

        assert len(await case.store.scan(SUBJECTS)) == 1

    asyncio.run(main())


def test_limits_of_one_caller_share_what_is_written_and_each_has_its_row() -> None:
    minute = {"name": "minute", "per": ["key"], "requests": 10, "window": "1m"}
    other = {"name": "other", "per": ["key"], "requests": 10, "window": "1m", "when": {"models": ["another"]}}

    async def main() -> None:
        case = Case(DAY, minute, other)
        for each in case.asked()[1].applied:
            case.records.remember(each.term)
        await case.records.flush()

        assert len(await case.store.scan(SUBJECTS)) == 1
        rows = await state_of(compile_rules([DAY, minute, other]), case.store)
        assert [(row["limit"], row["subject"]) for row in rows] == [
            ("day", {"key": "keys:ann"}), ("minute", {"key": "keys:ann"}),
        ]  # fmt: skip

    asyncio.run(main())


def test_what_the_store_did_not_take_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        case = Case(DAY)
        case.records.remember(case.asked()[1].applied[0].term)

        async def away(key: str, value: bytes, *, expected: int | None = None) -> None:
            raise StoreUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(case.store, "put", away)
            with pytest.raises(StoreUnavailable):
                await case.records.flush()
        await case.records.flush()
        assert len(await case.store.scan(SUBJECTS)) == 1

    asyncio.run(main())


def test_a_flood_of_refusals_keeps_the_first_thousand() -> None:
    case = Case(DAY)
    _, spending = case.asked()
    for _ in range(1500):
        case.records.event("refused", spending.applied[0], CounterState("key", settled=1000, open=0, limit=1000))

    async def main() -> int:
        await case.records.flush()
        return len(await case.store.read_since("limits", limit=5000))

    assert asyncio.run(main()) <= 1000
