"""Laws of a store's documents, records and logs."""

from __future__ import annotations

import asyncio
import time

import pytest

from ..store import (
    Change,
    Conflict,
    Store,
)
from .store_under_test import StoreUnderTest

__all__ = ["DocumentLaws"]


class DocumentLaws(StoreUnderTest):
    # Documents.

    def test_documents_have_versions(self) -> None:
        async def scenario(store: Store) -> None:
            assert await store.get("k/a") is None
            first = await store.put("k/a", b"\x00one", expected=0)
            with pytest.raises(Conflict):
                await store.put("k/a", b"two", expected=0)
            second = await store.put("k/a", b"two", expected=first)
            assert second > first
            with pytest.raises(Conflict):
                await store.put("k/a", b"three", expected=first)
            with pytest.raises(Conflict):
                await store.delete("k/a", expected=first)
            document = await store.get("k/a")
            assert document is not None
            assert (document.value, document.version) == (b"two", second)
            assert await store.delete("k/a", expected=second)
            assert not await store.delete("k/a")
            assert await store.get("k/a") is None
            assert await store.put("k/a", b"again", expected=0) > second

        self.run(scenario)

    def test_of_many_writers_with_one_version_one_wins(self) -> None:
        async def scenario(store: Store) -> None:
            async def one(number: int) -> bool:
                try:
                    await store.put("k/a", str(number).encode(), expected=0)
                except Conflict:
                    return False
                return True

            assert sum(await asyncio.gather(*(one(number) for number in range(32)))) == 1

        self.run(scenario)

    def test_a_scan_gives_each_document_of_the_prefix_in_order(self) -> None:
        async def scenario(store: Store) -> None:
            keys = sorted(f"k/{number:03}" for number in range(25))
            for key in [*keys, "j/1", "k", "l/1", "k0"]:
                await store.put(key, key.encode())
            await store.delete("k/007")
            found: list[str] = []
            while page := await store.scan("k/", after=found[-1] if found else "", limit=10):
                found += [document.key for document in page]
                assert all(document.value == document.key.encode() for document in page)
            assert found == [key for key in keys if key != "k/007"]

        self.run(scenario)

    def test_changes_reach_other_clients(self) -> None:
        async def scenario(store: Store) -> None:
            await store.put("k/before", b"1")
            async with self.client() as other:
                reader = other if store.shared else store
                stream = reader.changes()
                first = await anext(stream)
                assert first == Change(await store.epoch(), None)
                began = time.monotonic()
                await store.put("k/a", b"1")
                await store.delete("k/before")
                seen: set[str] = set()
                epoch = first.epoch
                while not seen >= {"k/a", "k/before"}:
                    change = await asyncio.wait_for(anext(stream), 6)
                    assert change.epoch >= epoch
                    epoch = change.epoch
                    seen |= {"k/a", "k/before"} if change.keys is None else change.keys
                assert time.monotonic() - began < 5
                assert await store.epoch() == epoch
                await stream.aclose()  # type: ignore[attr-defined]

        self.run(scenario)

    # Records.

    def test_records_end_by_themselves_and_disturb_no_reader_of_documents(self) -> None:
        async def scenario(store: Store) -> None:
            epoch = await store.epoch()
            await store.keep({"r/a": b"\x00one", "r/b": b"two"}, 30.0)
            await store.keep({"r/short": b"gone soon"}, 0.05)
            await asyncio.sleep(0.1)
            assert await store.recall(["r/a", "r/b", "r/short", "r/none"]) == {"r/a": b"\x00one", "r/b": b"two"}
            await store.keep({"r/a": b"again"}, 30.0)
            assert await store.recall(["r/a"]) == {"r/a": b"again"}
            assert await store.forget(["r/a", "r/none", "r/short"]) == 1
            assert await store.recall(["r/a"]) == {}
            assert await store.recall([]) == {}
            assert await store.forget([]) == 0
            assert await store.epoch() == epoch
            assert await store.scan("r/") == []

        self.run(scenario)

    def test_records_are_shared_by_clients(self) -> None:
        async def scenario(store: Store) -> None:
            async with self.client() as other:
                reader = other if store.shared else store
                await store.keep({"r/a": b"1"}, 30.0)
                assert await reader.recall(["r/a"]) == {"r/a": b"1"}
                assert await reader.forget(["r/a"]) == 1
                assert await store.recall(["r/a"]) == {}

        self.run(scenario)

    # Logs.

    def test_a_log_is_read_in_order_from_a_cursor(self) -> None:
        async def scenario(store: Store) -> None:
            await store.append("audit", [{"n": 1, "text": "grün"}, {"n": 2}])
            await store.append("other", [{"n": 9}])
            first = await store.read_since("audit", limit=1)
            assert [event.event for event in first] == [{"n": 1, "text": "grün"}]
            assert abs(first[0].at - time.time()) < 60
            await store.append("audit", [{"n": 3}])
            rest = await store.read_since("audit", first[0].cursor)
            assert [event.event["n"] for event in rest] == [2, 3]
            assert await store.read_since("audit", rest[-1].cursor) == []

        self.run(scenario)

    def test_a_log_keeps_about_so_much(self) -> None:
        async def scenario(store: Store) -> None:
            for start in range(0, 600, 50):
                await store.append("audit", [{"n": start + number} for number in range(50)], keep=100)
            events = await store.read_since("audit")
            assert events[-1].event["n"] == 599
            assert 100 <= len(events) <= 400

        self.run(scenario)
