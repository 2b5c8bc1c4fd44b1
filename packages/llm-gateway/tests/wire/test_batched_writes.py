"""Writes of one turn of the event loop are made together, in their order, and lose nothing."""

from __future__ import annotations

import asyncio

from llm_gateway.wire.batched_writes import Writes


class _Writer:
    def __init__(self, name: str, log: list[tuple[str, bytes]]) -> None:
        self._name = name
        self._log = log

    def write_out(self, data: bytes) -> None:
        self._log.append((self._name, data))


def test_they_wait_for_the_end_of_the_turn_and_keep_their_order() -> None:
    async def main() -> None:
        log: list[tuple[str, bytes]] = []
        writes, one, two = Writes(asyncio.get_running_loop()), _Writer("one", log), _Writer("two", log)
        writes.add(one, b"a")
        writes.add(two, b"b")
        writes.add(one, b"c")
        assert log == []

        await asyncio.sleep(0)
        assert log == [("one", b"a"), ("two", b"b"), ("one", b"c")]

    asyncio.run(main())


def test_a_flush_writes_at_once_and_only_once() -> None:
    async def main() -> None:
        log: list[tuple[str, bytes]] = []
        writes, writer = Writes(asyncio.get_running_loop()), _Writer("one", log)
        writes.add(writer, b"a")
        writes.flush()
        writes.add(writer, b"b")
        assert log == [("one", b"a")]

        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert log == [("one", b"a"), ("one", b"b")]

    asyncio.run(main())
