"""Memory that clients hold by not reading, bounded in all."""

from __future__ import annotations

import asyncio

from llm_gateway.server.slow_readers import HELD_BYTES, SlowReaders


class _Reader:
    def __init__(self, unread: int = 0) -> None:
        self.unread = unread
        self.aborted = False

    def unread_bytes(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted = True


def test_those_who_have_read_nothing_for_longest_are_cut_until_the_rest_fits() -> None:
    async def main() -> None:
        slow = SlowReaders(asyncio.get_running_loop(), 10 * HELD_BYTES)
        early = [_Reader() for _ in range(12)]
        for reader in early:
            slow.add(reader)
        await asyncio.sleep(2.3)
        late = [_Reader() for _ in range(3)]
        for reader in late:
            slow.add(reader)
        await asyncio.sleep(0.6)

        assert slow.held() <= 10 * HELD_BYTES
        assert [reader.aborted for reader in early] == sorted((reader.aborted for reader in early), reverse=True)
        assert not any(reader.aborted for reader in late), "they may only be waiting for a packet"

    asyncio.run(main())


def test_within_the_bound_nobody_is_cut_and_who_reads_again_is_forgotten() -> None:
    async def main() -> None:
        slow = SlowReaders(asyncio.get_running_loop(), 10 * HELD_BYTES)
        readers = [_Reader() for _ in range(9)]
        for reader in readers:
            slow.add(reader)
        for reader in readers[:5]:
            slow.discard(reader)
        await asyncio.sleep(0.6)

        assert slow.held() == 4 * HELD_BYTES
        assert not any(reader.aborted for reader in readers)

    asyncio.run(main())
