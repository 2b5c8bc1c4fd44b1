"""From the event loop to the spool: a queue that costs the loop an append, and one thread that empties it.

The thread takes what has gathered and writes it in one call. Each time that it wants the interpreter costs a busy event
loop more than all else here: the loop has to stop, and waits until the thread has found a core. So nothing wakes
it while requests come; it looks by itself some thirty times a second, asks for the interpreter twice each time (after
its sleep and after the write), and sleeps longer only where nothing has come for long.

The thread's states:

    gathering ── 30 ms ──▶ writing ──▶ gathering          a record came within the last half minute
        │                     │ OSError
        │                     └──▶ retrying ── 0.1 to 5 s ──▶ writing
        └── nothing for long, or each record is waited for ──▶ asleep ── submit ──▶ writing

With a full spool and `onFull: block` writing ends with records still in `_waiting`; it is tried again every 50 ms.
`close` leads out of every state: what can't be written before its deadline is given up.

What always holds:

- Each record that was submitted is acknowledged once: True after it is in the spool, False where it was given up.
- Records are written in the order in which they were submitted.
- `submit` never waits and takes no lock: `deque.append` is one step, and `_asleep` is read after it. The thread sets
  `_asleep` before it looks at the queue a last time, so that one of the two sees the other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from ..counters import Counters
from ..rare_warning import RareWarning
from ..settings import OnFull
from .folder import SYNC_INTERVAL_SECONDS, Spool
from .framing import Record

__all__ = ["Writer"]

_Acknowledged: TypeAlias = Callable[[bool], None]
_Waiting: TypeAlias = tuple[Record, _Acknowledged | None]

logger = logging.getLogger(__name__)

_GATHER_SECONDS: Final = 0.03
"""How long records gather before they are written together; with the time for which the gateway gathers requests it
stays below the promised 50 ms."""

_DROWSY_SECONDS: Final = 30.0
"""After so long without a record the thread sleeps until it is woken; until then it looks."""

_BATCH_RECORDS: Final = 512
_MAX_QUEUED: Final = 20_000
_MAX_RETRY_SECONDS: Final = 5.0
_WAITING_SECONDS: Final = 0.05


class Writer:
    """`submit` may be called from any thread; `acknowledged` is called in the writer's thread once
    the record is in the spool, with False where it was given up. While nothing comes, the thread looks every
    `tick_seconds` whether a segment is old enough to be sealed."""

    def __init__(
        self,
        spool: Spool,
        *,
        counters: Counters,
        max_bytes: int,
        on_full: OnFull = "dropNewest",
        when_stuck: Callable[[], None] = lambda: None,
        tick_seconds: float = 0.25,
    ) -> None:
        self._spool = spool
        self._counters = counters
        self._max_bytes = max_bytes
        self._on_full = on_full
        self._when_stuck = when_stuck
        self._tick_seconds = tick_seconds
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Event()
        self._asleep = False
        self._closing = False
        self._deadline = 0.0
        self._busy = False
        self._awaited = False
        self._waiting: list[_Waiting] = []
        self._warn = RareWarning(logger)
        self._last_record = -_DROWSY_SECONDS
        self._thread = threading.Thread(target=self._run, name="clickhouse-tracer-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def crowded(self) -> bool:
        """With `onFull: block` the requests after this one should wait."""
        if self._on_full != "block":
            return False
        return len(self._queue) >= _MAX_QUEUED // 2 or self._spool.size >= self._max_bytes

    def submit(self, record: Record, acknowledged: _Acknowledged | None = None) -> bool:
        """False where the queue is full and the record is dropped."""
        self._counters.submitted += 1
        if len(self._queue) >= _MAX_QUEUED and self._on_full != "block":
            self._counters.dropped_new += 1
            if acknowledged is not None:
                acknowledged(False)
            return False
        self._queue.append((record, acknowledged))
        if acknowledged is not None:
            self._awaited = True  # from now on records are written as they come
        if self._asleep:
            self._asleep = False
            self._wake.set()
        return True

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until all that was submitted before is in the spool or given up."""
        until = time.monotonic() + timeout_seconds
        self._wake.set()
        while self._queue or self._waiting or self._busy:
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def close(self, timeout_seconds: float) -> None:
        """Writes what is queued; what can't be written in that time is given up."""
        self._deadline = time.monotonic() + timeout_seconds
        self._closing = True
        self._wake.set()
        self._thread.join(timeout_seconds + 1.0)

    def _run(self) -> None:
        last_sync, retry_seconds = time.monotonic(), 0.0
        while True:
            try:
                self._busy = True
                self._gather()
                self._write()
                self._spool.tick()
                if time.monotonic() - last_sync >= SYNC_INTERVAL_SECONDS:
                    self._spool.sync()
                    last_sync = time.monotonic()
                retry_seconds = 0.0
            except OSError as error:
                self._counters.spool_errors += 1
                self._warn("writing to the trace spool failed: %s; trying again (%s)", error, self._counters)
                retry_seconds = min(_MAX_RETRY_SECONDS, retry_seconds * 2 or 0.1)
                self._when_stuck()
            finally:
                self._busy = False
            if self._closing and (not (self._queue or self._waiting) or time.monotonic() >= self._deadline):
                break
            if retry_seconds:
                time.sleep(0.1 if self._closing else retry_seconds)
            elif self._waiting:
                time.sleep(_WAITING_SECONDS)
            else:
                self._rest()
        self._give_up_waiting()

    def _rest(self) -> None:
        """Lets records gather; sleeps where nothing has come for long, or where each is waited for."""
        if self._closing or len(self._queue) >= _BATCH_RECORDS:
            return
        if time.monotonic() - self._last_record < _DROWSY_SECONDS and not self._awaited:
            time.sleep(_GATHER_SECONDS)  # an event would ask for the interpreter more often
            return
        self._wake.clear()
        self._asleep = True
        # What was put into the queue before this line has not woken the thread.
        if not self._queue and not self._closing:
            self._wake.wait(self._tick_seconds)
        self._asleep = False

    def _gather(self) -> None:
        queue, waiting = self._queue, self._waiting
        if queue:
            self._last_record = time.monotonic()
        waiting += [queue.popleft() for _ in range(min(len(queue), _BATCH_RECORDS - len(waiting)))]

    def _write(self) -> None:
        while self._waiting:
            fitting = self._make_room()
            if not fitting:
                return
            written = self._spool.append([record for record, _ in self._waiting[:fitting]])
            done, self._waiting = self._waiting[:written], self._waiting[written:]
            self._counters.acknowledged += written
            for acknowledged in [one for _, one in done if one is not None]:
                acknowledged(True)

    def _make_room(self) -> int:
        """How many of the waiting records fit; where not even the first does, the policy decides what gives way."""
        while self._waiting:
            fitting = _fitting(self._waiting, self._max_bytes - self._spool.size)
            if fitting or self._on_full == "block":
                return fitting
            if self._on_full == "dropOldest" and (dropped := self._drop_oldest()):
                self._counters.dropped_old += dropped
                self._warn("the trace spool is full; the oldest records are dropped (%s)", self._counters)
                continue
            _, acknowledged = self._waiting.pop(0)
            self._counters.dropped_new += 1
            if acknowledged is not None:
                acknowledged(False)
            self._warn("the trace spool is full; new records are dropped (%s)", self._counters)
        return 0

    def _drop_oldest(self) -> int:
        dropped = self._spool.drop_oldest()
        if not dropped:
            self._spool.seal()
            dropped = self._spool.drop_oldest()
        return dropped

    def _give_up_waiting(self) -> None:
        self._counters.dropped_new += len(self._waiting) + len(self._queue)
        for _, acknowledged in [*self._waiting, *self._queue]:
            if acknowledged is not None:
                acknowledged(False)
        self._waiting.clear()
        self._queue.clear()


def _fitting(waiting: list[_Waiting], room: int) -> int:
    if sum([record.size for record, _ in waiting]) <= room:
        return len(waiting)
    for position, (record, _) in enumerate(waiting):
        room -= record.size
        if room < 0:
            return position
    return len(waiting)
