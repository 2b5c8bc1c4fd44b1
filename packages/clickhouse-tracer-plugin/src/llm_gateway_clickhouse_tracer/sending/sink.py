"""From the spool to ClickHouse: one thread that sends segments, oldest first, until they are accepted.

One segment is one INSERT with the segment's name as deduplication token, so that a reply which was lost is asked for
again without doubling a row. What ClickHouse refuses for its content is halved until the bad record is alone, and
that one is set aside; everything else is tried again for ever, with growing pauses.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from ..counters import Counters
from ..database.client import Database, DatabaseFailure
from ..rare_warning import RareWarning
from ..spool.framing import records_of
from ..spool.segments import Segments

__all__ = ["Sink"]

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_ADOPT_EVERY_SECONDS: Final = 10.0


class Sink:
    """`open_database` connects and brings the table into shape; it is called when there is something to send. `rows`
    turns a segment into rows, one line each."""

    def __init__(
        self,
        spool: Segments,
        open_database: Callable[[], Database],
        rows: Callable[[bytes], bytes],
        *,
        counters: Counters,
        poll_seconds: float = 0.1,
    ) -> None:
        self._spool = spool
        self._open_database = open_database
        self._rows = rows
        self._counters = counters
        self._poll_seconds = poll_seconds
        self._database: Database | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._deadline: float | None = None
        self._warn = RareWarning(logger)
        self._thread = threading.Thread(target=self._run, name="clickhouse-tracer-sink", daemon=True)
        self.last_error: str | None = None
        """Why the latest attempt failed; None after a success."""
        self.starved_seconds = 0.0
        """How long this thread waited for a core since all was sent the last time."""
        self.pressed = False
        """The spool has had no room since then."""

    def start(self) -> None:
        self._thread.start()

    def run(self) -> None:
        """Runs in the caller's thread until another one calls `stop`."""
        self._run()

    def stop(self, timeout_seconds: float) -> None:
        """Lets `run` send what is sealed until the time is up, and then return."""
        self._deadline = time.monotonic() + timeout_seconds
        self._stopping = True
        self._wake.set()

    def hurry(self) -> None:
        """Ends a pause between attempts: the spool has no room, and only sending makes some."""
        self.pressed = True
        self._wake.set()

    def close(self, timeout_seconds: float) -> bool:
        """Sends what is sealed until the time is up; the rest stays in the spool. Returns whether all was sent."""
        self.stop(timeout_seconds)
        self._thread.join(timeout_seconds + 1.0)
        return not self._spool.sealed()

    def _run(self) -> None:
        pause, next_adoption = 0.0, 0.0
        while True:
            stopping = self._stopping
            self._wake.clear()
            try:
                if time.monotonic() >= next_adoption:
                    self._spool.adopt()
                    next_adoption = time.monotonic() + _ADOPT_EVERY_SECONDS
                self._send_all()
                pause = 0.0
            except DatabaseFailure as failure:
                pause = self._after(failure, pause)
            except OSError as error:
                self._warn("reading the trace spool failed: %s", error)
                pause = _longer(pause)
            if stopping and (pause or not self._spool.sealed() or self._late):
                break
            if not (self._stopping and not stopping):
                self._wake.wait(pause * random.uniform(0.5, 1.0) if pause else self._poll_seconds)
        if self._database is not None:
            self._database.close()

    @property
    def _late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _send_all(self) -> None:
        for name in self._spool.sealed():
            if self._late:
                return
            self._send(name)
            self.last_error = None
        self.starved_seconds, self.pressed = 0.0, False

    def _send(self, name: str) -> None:
        try:
            segment = self._spool.read(name)
        except FileNotFoundError:
            return  # given up for newer ones
        if self._database is None:
            self._database = self._open_database()
        rows = self._rows_of(segment)
        try:
            if rows:
                self._database.insert(rows, name)
        except DatabaseFailure as failure:
            if failure.kind != "data":
                raise
            self._set_apart(name, list(records_of(segment)), failure)
            return
        self._counters.sent += rows.count(b"\n")
        self._spool.delete(name)

    def _rows_of(self, segment: bytes) -> bytes:
        wall, worked = time.monotonic(), time.thread_time()
        rows = self._rows(segment)
        self.starved_seconds += (time.monotonic() - wall) - (time.thread_time() - worked)
        return rows

    def _set_apart(self, name: str, records: list[bytes], failure: DatabaseFailure) -> None:
        if len(records) > 1:
            middle = len(records) // 2
            self._spool.split(name, [b"".join(records[:middle]), b"".join(records[middle:])])
            for half in (f"{name}.0", f"{name}.1"):
                self._send(half)
            return
        self._spool.bury(name, str(failure))
        self._counters.dead += 1
        logger.error(
            "ClickHouse refuses a trace for what is in it; it is set aside as dead/%s.record: %s", name, failure
        )

    def _after(self, failure: DatabaseFailure, pause: float) -> float:
        self._counters.retries += 1
        self.last_error = str(failure)
        if self._database is not None:
            # Connecting anew also makes the table again, should somebody have dropped it.
            self._database.close()
            self._database = None
        self._warn("traces wait in the spool: %s", failure)
        return _longer(pause)


def _longer(pause: float) -> float:
    return min(_LONGEST_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
