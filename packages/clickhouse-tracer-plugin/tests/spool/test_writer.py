"""The writer: what is acknowledged, what is dropped when there is no room, and what happens when the disk refuses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest
from llm_gateway_clickhouse_tracer.counters import Counters
from llm_gateway_clickhouse_tracer.settings import OnFull
from llm_gateway_clickhouse_tracer.spool.folder import MemorySpool, SegmentLimits
from llm_gateway_clickhouse_tracer.spool.framing import Record, encode_record, records_of
from llm_gateway_clickhouse_tracer.spool.writer import Writer


def record(number: int) -> Record:
    return encode_record(b'{"n":%08d}' % number)


LINE = record(12345678)


class FailingSpool(MemorySpool):
    """Refuses to write until it is healed."""

    broken = True

    def append(self, records: Sequence[Record]) -> int:
        if self.broken:
            raise OSError(28, "No space left on device")
        return super().append(records)


def writer_on(
    spool: MemorySpool, counters: Counters, *, max_bytes: int = 1 << 20, on_full: OnFull = "dropNewest"
) -> Writer:
    writer: Writer = Writer(spool, counters=counters, max_bytes=max_bytes, on_full=on_full)
    writer.start()
    return writer


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.005)


def spool_of(rows: int = 1000) -> MemorySpool:
    return MemorySpool(limits=SegmentLimits(rows=rows, age_seconds=60))


def contents(spool: MemorySpool) -> list[bytes]:
    spool.seal()
    return [line for name in spool.sealed() for line in records_of(spool.read(name))]


def test_a_record_is_acknowledged_within_50_ms() -> None:
    spool, counters = spool_of(), Counters()
    writer = writer_on(spool, counters)
    time.sleep(0.05)  # asleep by now
    written = threading.Event()

    started = time.monotonic()
    writer.submit(LINE, lambda kept: written.set())
    assert written.wait(2)

    assert time.monotonic() - started < 0.05 * 5  # five times the promise: other tests share the machine
    writer.close(2)


def test_many_threads_submit_and_every_record_is_kept_once() -> None:
    spool, counters = spool_of(), Counters()
    writer = writer_on(spool, counters)
    threads = [
        threading.Thread(target=lambda base=base: [writer.submit(record(base + n)) for n in range(500)])
        for base in (0, 500, 1000, 1500)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close(5)

    assert sorted(contents(spool)) == sorted(record(n).pieces[0] for n in range(2000))


def test_a_full_spool_drops_the_newest_and_counts_them() -> None:
    spool, counters = spool_of(), Counters()
    writer = writer_on(spool, counters, max_bytes=10 * LINE.size)
    answers: list[bool] = []

    for _ in range(25):
        writer.submit(LINE, answers.append)
    eventually(lambda: len(answers) == 25)
    writer.close(2)

    assert answers.count(True) == counters.acknowledged == len(contents(spool)) == 10
    assert answers.count(False) == counters.dropped_new == 15


def test_a_full_spool_gives_up_the_oldest_where_configured() -> None:
    spool, counters = spool_of(rows=5), Counters()
    writer = writer_on(spool, counters, max_bytes=10 * LINE.size, on_full="dropOldest")

    for number in range(25):
        writer.submit(record(number))
    writer.close(2)

    assert contents(spool)[-1] == record(24).pieces[0]
    assert counters.dropped_old >= 15
    assert counters.dropped_new == 0


def test_a_full_spool_holds_requests_back_where_configured() -> None:
    spool, counters = spool_of(rows=5), Counters()
    writer = writer_on(spool, counters, max_bytes=10 * LINE.size, on_full="block")

    for _ in range(25):
        writer.submit(LINE)
    eventually(lambda: counters.acknowledged == 10)
    assert writer.crowded
    for _ in range(10):
        for name in spool.sealed():
            spool.delete(name)
        time.sleep(0.06)
    writer.close(2)

    assert counters.acknowledged == 25
    assert counters.dropped_new == 0


@pytest.mark.filterwarnings("ignore")
def test_records_wait_while_the_disk_is_full_and_are_written_once_there_is_room() -> None:
    spool, counters = FailingSpool(limits=SegmentLimits(age_seconds=60)), Counters()
    writer = writer_on(spool, counters)
    for number in range(100):
        writer.submit(record(number))
    eventually(lambda: counters.spool_errors >= 2)
    assert counters.acknowledged == 0

    spool.broken = False
    eventually(lambda: counters.acknowledged == 100)
    writer.close(2)

    assert contents(spool) == [record(number).pieces[0] for number in range(100)]


def test_closing_writes_what_is_queued() -> None:
    spool, counters = spool_of(), Counters()
    writer = writer_on(spool, counters)
    for _ in range(1000):
        writer.submit(LINE)

    writer.close(5)

    assert len(contents(spool)) == 1000


def test_a_record_that_comes_after_a_silence_wakes_the_thread() -> None:
    spool, counters = spool_of(), Counters()
    writer = Writer(spool, counters=counters, max_bytes=1 << 20, tick_seconds=60.0)
    writer.start()
    time.sleep(0.1)

    writer.submit(LINE)

    eventually(lambda: counters.acknowledged == 1, 2)
    writer.close(2)


class CountingSpool(MemorySpool):
    """Counts writes; new records come during each."""

    writes = 0

    def append(self, records: Sequence[Record]) -> int:
        self.writes += 1
        time.sleep(0.002)
        return super().append(records)


def test_records_that_come_during_a_write_wait_for_the_next_one() -> None:
    spool, counters = CountingSpool(limits=SegmentLimits(age_seconds=60)), Counters()
    writer = writer_on(spool, counters)
    for _ in range(300):
        writer.submit(LINE)
        time.sleep(0.001)
    writer.close(2)

    # Written as they come, 300 records of which some arrive in each 2 ms would take a hundred writes.
    assert spool.writes < 30
    assert counters.acknowledged == 300
