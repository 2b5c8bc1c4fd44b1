"""A change is written down before it is made, and what became of it where it was not."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Conflict, StoreUnavailable
from llm_gateway_sdk.audit import AUDIT_LOG, audited


async def change(store: MemoryStore, error: BaseException | None) -> None:
    async with audited(store, "thing.update", "thing:1", by="ann", source="192.0.2.1", before={"n": 1}, after={"n": 2}):
        assert len(await store.read_since(AUDIT_LOG)) == 1, "before the change"
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "outcomes"),
    [
        (None, [None]),
        (Conflict("another version"), [None, "not made"]),
        (KeyError("gone"), [None, "not made"]),
        (StoreUnavailable("no answer"), [None, "unknown"]),
        (asyncio.CancelledError(), [None, "unknown"]),
    ],
)
def test_what_became_of_a_change_is_in_the_log(error: BaseException | None, outcomes: list[Any]) -> None:
    async def main() -> None:
        store = MemoryStore()
        with pytest.raises(type(error)) if error is not None else nullcontext():
            await change(store, error)
        events = [each.event for each in await store.read_since(AUDIT_LOG)]
        assert [each.get("outcome") for each in events] == outcomes
        assert {(each["action"], each["subject"], each["by"], each["from"]) for each in events} == {
            ("thing.update", "thing:1", "ann", "192.0.2.1")
        }

    asyncio.run(main())
