"""The sink: what it sends again, what it splits, what it sets aside."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llm_gateway_clickhouse_tracer.counters import Counters
from llm_gateway_clickhouse_tracer.database.client import Database, DatabaseFailure, FailureKind
from llm_gateway_clickhouse_tracer.sending.sink import Sink
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings
from llm_gateway_clickhouse_tracer.spool.folder import MemorySpool, SegmentLimits
from llm_gateway_clickhouse_tracer.spool.framing import encode_record


class Table(Database):
    """Keeps each token's lines once, as ClickHouse does; refuses what the test wants."""

    def __init__(self) -> None:
        super().__init__(None, ClickHouseSettings())
        self.kept: dict[str, bytes] = {}
        self.failures: list[FailureKind] = []
        self.lose_replies = 0
        self.connections = 0

    def connect(self) -> Database:
        self.connections += 1
        return self

    def insert(self, lines: bytes, token: str) -> None:
        if self.failures:
            raise DatabaseFailure("refused", self.failures.pop(0))
        if b"poison" in lines:
            raise DatabaseFailure("Cannot parse input", "data", 27)
        self.kept.setdefault(token, lines)
        if self.lose_replies:
            self.lose_replies -= 1
            raise DatabaseFailure("connection reset", "transient")

    def close(self) -> None:
        pass

    @property
    def lines(self) -> list[bytes]:
        return sorted(line for lines in self.kept.values() for line in lines.splitlines())


def sent(table: Table, lines: list[bytes], *, until: Callable[[Counters], bool]) -> tuple[Counters, MemorySpool]:
    spool, counters = MemorySpool(limits=SegmentLimits(rows=8)), Counters()
    spool.append([encode_record(line) for line in lines])
    spool.seal()
    sink = Sink(spool, table.connect, lambda segment: segment, counters=counters, poll_seconds=0.01)
    sink.start()
    deadline = time.monotonic() + 10
    while not until(counters) and time.monotonic() < deadline:
        time.sleep(0.01)
    sink.close(1)
    return counters, spool


def numbers(count: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(count)]


def test_what_was_refused_for_a_while_is_sent_again() -> None:
    table = Table()
    table.failures = ["transient", "access", "missing"]

    counters, spool = sent(table, numbers(3), until=lambda counters: counters.sent == 3)

    assert table.lines == numbers(3)
    assert counters.retries == 3
    assert spool.sealed() == []


def test_a_lost_reply_is_asked_for_again_with_the_same_token() -> None:
    table = Table()
    table.lose_replies = 1

    sent(table, numbers(3), until=lambda counters: counters.sent == 3)

    assert table.lines == numbers(3)
    assert len(table.kept) == 1
    assert table.connections == 2


def test_poison_is_found_by_halves_and_everything_else_passes() -> None:
    table = Table()
    lines: list[Any] = numbers(20)
    lines[3] = b'{"poison":1}'
    lines[17] = b'{"poison":2}'

    counters, spool = sent(table, lines, until=lambda counters: counters.sent + counters.dead == 20)

    assert table.lines == sorted(line for line in lines if b"poison" not in line)
    assert (counters.sent, counters.dead) == (18, 2)
    assert spool.sealed() == []


def test_a_pause_ends_when_there_is_no_room() -> None:
    table, spool, counters = Table(), MemorySpool(limits=SegmentLimits()), Counters()
    table.failures = ["transient"] * 4  # pauses of 0.5, 1, 2 and 4 seconds
    spool.append([encode_record(b'{"n":1}')])
    spool.seal()
    sink = Sink(spool, table.connect, lambda segment: segment, counters=counters, poll_seconds=0.01)
    sink.start()

    started = time.monotonic()
    while counters.sent < 1 and time.monotonic() - started < 3:
        sink.hurry()
        time.sleep(0.02)
    sink.close(1)

    assert counters.sent == 1
    assert time.monotonic() - started < 3


def test_time_that_it_waited_for_a_core_counts_until_all_is_sent() -> None:
    table, spool = Table(), MemorySpool(limits=SegmentLimits(rows=1))
    starved: list[float] = []

    def rows(segment: bytes) -> bytes:
        starved.append(sink.starved_seconds)
        time.sleep(0.05)  # as if others had the core
        return segment

    sink = Sink(spool, table.connect, rows, counters=Counters())
    spool.append([encode_record(b'{"n":%d}' % number) for number in range(3)])
    sink.start()
    sink.close(5)

    assert starved[0] == 0.0
    assert starved[2] > starved[1] > 0.04
    assert sink.starved_seconds == 0.0
