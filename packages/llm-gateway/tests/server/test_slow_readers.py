"""Memory that clients hold by not reading, bounded in all."""

from __future__ import annotations

import asyncio

from llm_gateway.server.slow_readers import HELD_BYTES, SlowReaders


class _Reader:
    def __init__(self, unread: int = 0, address: str = "192.0.2.1") -> None:
        self.unread = unread
        self.aborted = False
        self._address = address

    def address(self) -> str:
        return self._address

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


def test_within_the_bound_no_client_is_cut_and_who_reads_again_is_forgotten() -> None:
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


def test_large_replies_are_bounded_also_where_few_clients_have_them() -> None:
    async def main() -> None:
        slow = SlowReaders(asyncio.get_running_loop(), 10 * HELD_BYTES)
        readers = [_Reader(unread=5 * HELD_BYTES) for _ in range(3)]
        for reader in readers:
            slow.add(reader)
        await asyncio.sleep(2.6)

        assert slow.held() <= 10 * HELD_BYTES
        assert [reader.aborted for reader in readers] == [True, True, False]

    asyncio.run(main())


def test_the_address_that_holds_most_is_cut_and_no_other() -> None:
    async def main() -> None:
        slow = SlowReaders(asyncio.get_running_loop(), 10 * HELD_BYTES)
        others = [_Reader(address=f"198.51.100.{number}") for number in range(4)]
        for reader in others:
            slow.add(reader)
        greedy = [_Reader() for _ in range(20)]
        for reader in greedy:
            slow.add(reader)
        await asyncio.sleep(2.6)

        assert slow.held() <= 10 * HELD_BYTES
        assert not any(reader.aborted for reader in others)
        assert sum(reader.aborted for reader in greedy) == 14

    asyncio.run(main())


def test_an_address_that_always_pauses_anew_gets_no_patience() -> None:
    async def main() -> None:
        slow = SlowReaders(asyncio.get_running_loop(), 10 * HELD_BYTES)
        other = _Reader(address="198.51.100.1")
        slow.add(other)
        greedy = [_Reader() for _ in range(30)]
        for reader in greedy:
            slow.add(reader)
        await asyncio.sleep(0.8)

        assert slow.held() <= 10 * HELD_BYTES
        assert not other.aborted

    asyncio.run(main())


def test_what_is_counted_is_given_back() -> None:
    async def main() -> None:
        slow = SlowReaders(asyncio.get_running_loop(), 10 * HELD_BYTES)
        reader = _Reader(unread=HELD_BYTES)
        for _ in range(20):
            slow.add(reader)
            reader.unread += HELD_BYTES // 4
        slow.discard(reader)
        slow.discard(reader)
        await asyncio.sleep(0.6)

        slow.add(other := _Reader(unread=3 * HELD_BYTES))
        await asyncio.sleep(0.6)
        assert not reader.aborted
        assert not other.aborted
        assert slow.held() == 4 * HELD_BYTES

    asyncio.run(main())


def test_what_waits_with_a_client_counts_as_its_own_from_then_on() -> None:
    async def main() -> None:
        slow = SlowReaders(asyncio.get_running_loop(), 10 * HELD_BYTES)
        heavy, light = _Reader(address="192.0.2.1"), _Reader(address="192.0.2.2")
        slow.add(heavy)
        slow.add(light)
        heavy.unread = 20 * HELD_BYTES
        slow.weigh(heavy)
        slow.weigh(_Reader())  # one that has not paused
        await asyncio.sleep(0.6)

        assert heavy.aborted
        assert not light.aborted
        assert slow.held() == HELD_BYTES

    asyncio.run(main())
