"""Records on disk between the request and ClickHouse: append-only segments, sealed by renaming.

Records (`framing.py`) are appended to `<name>.open`; when that is full or old enough it is sealed as `<name>.seg`, and
from then on it never changes: the name is the deduplication token of its one INSERT, so that sending it again can do no
harm. It is deleted after ClickHouse has accepted it.

Each process has its own folder below the one in the settings, with a lock in it. Folders whose lock is free belong
to processes that are gone: their segments are adopted, at start and now and then. A record that a crash cut in half is
dropped on adoption; it had not been acknowledged.

Files are 0600 and folders 0700, for segments hold prompts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Protocol

from llm_gateway_sdk.wire.pieces import joined

from ..counters import Counters
from .framing import Record, count_records
from .locks import FolderLock
from .segments import SegmentFolder, Segments, recover_open, sync_folder

__all__ = ["DiskSpool", "MemorySpool", "SegmentLimits", "Spool"]

SYNC_INTERVAL_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.25
"""How often the folder is looked into, for what others have deleted; what this process writes is known at once."""

_PIECES_PER_WRITE: Final = 1000
"""The kernel takes 1024 at once."""


@dataclass(slots=True, frozen=True)
class SegmentLimits:
    """When a segment is sealed: whichever comes first."""

    rows: int = 1000
    bytes: int = 8 << 20
    age_seconds: float = 0.7


class Spool(Protocol):
    """The writer's side; `segments` is the sink's."""

    @property
    def segments(self) -> Segments: ...

    @property
    def size(self) -> int:
        """Bytes that wait, sealed or not."""
        ...

    @property
    def oldest_age_seconds(self) -> float:
        """Age of the oldest segment; 0 where nothing waits."""
        ...

    def append(self, records: Sequence[Record]) -> int:
        """Appends records and returns how many of the first ones are written. Raises OSError where none is."""
        ...

    def tick(self) -> None:
        """Seals what is old enough."""
        ...

    def sync(self) -> None:
        """Waits until what was appended would survive a loss of power."""
        ...

    def seal(self) -> None: ...

    def drop_oldest(self) -> int:
        """Gives up the oldest records that are not being sent, and returns how many."""
        ...

    def close(self) -> None: ...


class DiskSpool:
    """See the module. `limits` bound one segment; bounding the whole is the writer's business, by `size`."""

    def __init__(
        self, base: Path, *, limits: SegmentLimits, counters: Counters, sync_each_append: bool = False
    ) -> None:
        self._limits = limits
        self._counters = counters
        self._sync_each_append = sync_each_append
        self._fd: int | None = None
        self._open_name = ""
        self._open_rows = 0
        self._open_size = 0
        self._opened_at = 0.0
        self._next_tick = 0.0
        self._unsynced = False
        self._looked_at = 0.0
        self._known_size = 0
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        (base / "dead").mkdir(mode=0o700, exist_ok=True)
        self.base = base
        self.folder, self._lock = _claim_folder(base)
        self.segments = SegmentFolder(base, self.folder, counters)

    @property
    def size(self) -> int:
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._known_size, self._looked_at = self.segments.size(), now
        return self._known_size

    @property
    def oldest_age_seconds(self) -> float:
        return self.segments.oldest_age_seconds()

    def append(self, records: Sequence[Record]) -> int:
        written = 0
        while written < len(records):
            group = self._fitting(records, written)
            try:
                self._append_group(group)
            except OSError:
                if not written:
                    raise
                break
            written += len(group)
            if self._open_rows >= self._limits.rows or self._open_size >= self._limits.bytes:
                self.seal()
        return written

    def _fitting(self, records: Sequence[Record], start: int) -> Sequence[Record]:
        rows, room = self._limits.rows - self._open_rows, self._limits.bytes - self._open_size
        group = records[start : start + rows]
        if group and sum([record.size for record in group]) <= room:
            return group
        end = start
        while end < start + len(group) and (room := room - records[end].size) >= 0:
            end += 1
        if end == start and self._open_rows:
            self.seal()
            return self._fitting(records, start)
        # A record longer than the limit still gets a segment: its own.
        return records[start : max(end, start + 1)]

    def _append_group(self, group: Sequence[Record]) -> None:
        if self._fd is None:
            self._begin()
        assert self._fd is not None
        good = self._open_size
        pieces = list(chain.from_iterable([record.pieces for record in group]))
        try:
            for start in range(0, len(pieces), _PIECES_PER_WRITE):
                _write(self._fd, pieces[start : start + _PIECES_PER_WRITE])
            if self._sync_each_append:
                os.fdatasync(self._fd)
        except OSError:
            self._take_back(good)
            raise
        self._unsynced = not self._sync_each_append
        added = sum([record.size for record in group])
        self._open_size += added
        self._known_size += added
        self._open_rows += len(group)

    def _begin(self) -> None:
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._fd = os.open(self.folder / f"{name}.open", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._open_name, self._open_size, self._open_rows = name, 0, 0
        self._opened_at = time.monotonic()
        if self._sync_each_append:
            sync_folder(self.folder)

    def _take_back(self, good: int) -> None:
        """A write failed half-way (a full disk): the file ends at its last whole record again, and is sealed there."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, good)
            self.seal()
        except OSError:
            # Nothing may be appended after half a record: the file is sealed without it, now or by who adopts it.
            os.close(self._fd)
            self._fd = None
            with contextlib.suppress(OSError):
                recover_open(self.folder / f"{self._open_name}.open", self._counters)

    def tick(self) -> None:
        now = time.monotonic()
        if self._fd is None or now < self._next_tick or now - self._opened_at < self._limits.age_seconds:
            return
        # While others wait to be sent there is no hurry, and the segment may grow: a day without a server shall not
        # leave a hundred thousand small files.
        if self.segments.sealed():
            self._next_tick = now + _LOOK_SECONDS
        else:
            self.seal()

    def sync(self) -> None:
        if self._fd is not None and self._unsynced:
            os.fdatasync(self._fd)
            self._unsynced = False

    def seal(self) -> None:
        if self._fd is None:
            return
        path = self.folder / f"{self._open_name}.open"
        if self._open_rows == 0:
            path.unlink(missing_ok=True)
        else:
            self.sync()
            path.rename(path.with_suffix(".seg"))
        os.close(self._fd)
        self._fd, self._open_rows, self._open_size = None, 0, 0

    def drop_oldest(self) -> int:
        dropped = self.segments.drop_oldest()
        self._looked_at = 0.0
        return dropped

    def close(self) -> None:
        """Seals, and gives up the folder: empty ones are removed, others are for the next process to adopt."""
        self.seal()
        if not self.segments.sealed():
            with contextlib.suppress(OSError):
                (self.folder / "lock").unlink()
                self.folder.rmdir()
        self._lock.release()


def _write(fd: int, pieces: Sequence[bytes]) -> None:
    """All of it, or OSError. Nothing is put together before: joining megabytes would hold the interpreter."""
    if not hasattr(os, "writev"):
        written = 0
    elif (written := os.writev(fd, pieces)) == sum(map(len, pieces)):
        return
    for piece in pieces:
        rest = memoryview(piece)[written:]
        written = max(0, written - len(piece))
        while rest:
            rest = rest[os.write(fd, rest) :]


def _claim_folder(base: Path) -> tuple[Path, FolderLock]:
    """A new folder, locked before anyone else can see it under a name that is adopted."""
    name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
    hidden = base / f".new-{name}"
    hidden.mkdir(mode=0o700)
    lock = FolderLock(hidden / "lock")
    if not lock.try_acquire():
        raise OSError(f"{hidden}: a new lock file is locked: the file system does not support locks")
    folder = base / name
    hidden.rename(folder)
    lock.file = folder / "lock"
    return folder, lock


class MemorySpool:
    """The same without a disk: what waits is lost with the process."""

    def __init__(self, *, limits: SegmentLimits) -> None:
        self._limits = limits
        self._mutex = threading.Lock()
        self._held: dict[str, bytes] = {}
        self._open: list[Record] = []
        self._open_size = 0
        self._opened_at = 0.0
        self._sending: str | None = None

    @property
    def segments(self) -> Segments:
        return self

    @property
    def size(self) -> int:
        with self._mutex:
            return sum(map(len, self._held.values())) + self._open_size

    @property
    def oldest_age_seconds(self) -> float:
        with self._mutex:
            return max(0.0, time.time() - int(min(self._held)[:20]) / 1e9) if self._held else 0.0

    def append(self, records: Sequence[Record]) -> int:
        for record in records:
            if self._open_size and self._open_size + record.size > self._limits.bytes:
                self.seal()
            if not self._open:
                self._opened_at = time.monotonic()
            with self._mutex:
                self._open.append(record)
                self._open_size += record.size
            if len(self._open) >= self._limits.rows:
                self.seal()
        return len(records)

    def tick(self) -> None:
        if self._open and not self._held and time.monotonic() - self._opened_at >= self._limits.age_seconds:
            self.seal()

    def sync(self) -> None:
        pass

    def seal(self) -> None:
        with self._mutex:
            if self._open:
                self._held[f"{time.time_ns():020d}-{secrets.token_hex(4)}"] = joined(
                    [piece for record in self._open for piece in record.pieces]
                )
                self._open, self._open_size = [], 0

    def sealed(self) -> list[str]:
        with self._mutex:
            return sorted(self._held)

    def read(self, name: str) -> bytes:
        with self._mutex:
            if name not in self._held:
                raise FileNotFoundError(name)
            self._sending = name
            return self._held[name]

    def delete(self, name: str) -> None:
        with self._mutex:
            self._held.pop(name, None)
            self._sending = None

    def split(self, name: str, halves: Sequence[bytes]) -> None:
        with self._mutex:
            del self._held[name]
            self._held.update({f"{name}.{position}": half for position, half in enumerate(halves)})

    def bury(self, name: str, reason: str) -> None:
        self.delete(name)

    def drop_oldest(self) -> int:
        with self._mutex:
            name = min((name for name in self._held if name != self._sending), default=None)
            return count_records(self._held.pop(name)) if name is not None else 0

    def adopt(self) -> int:
        return 0

    def close(self) -> None:
        self.seal()
