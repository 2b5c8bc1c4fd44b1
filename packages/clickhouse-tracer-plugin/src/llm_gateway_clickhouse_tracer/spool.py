"""Records on disk between the request and ClickHouse: append-only segments, sealed by renaming.

A record is one JSON line. Lines are appended to `<name>.open`; when that is full or old enough it is sealed as
`<name>.seg`, and from then on it never changes: the name is the deduplication token of its one INSERT, so that sending
it again can do no harm. It is deleted after ClickHouse has accepted it.

Each process has a folder of its own below the one in the settings, with a lock in it. Folders whose lock is free belong
to processes that are gone: their segments are adopted, at start and now and then. A line that a crash cut in half is
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
from pathlib import Path
from typing import Final, Protocol

from llm_gateway_sdk.wire import json

from .counters import Counters
from .locks import FolderLock

__all__ = ["DiskSpool", "MemorySpool", "SegmentLimits", "Spool", "lines_of"]

SYNC_INTERVAL_SECONDS: Final = 0.5
_STALE_FOLDER_SECONDS: Final = 60.0
_MAX_DEAD_FRACTION: Final = 0.1


@dataclass(slots=True, frozen=True)
class SegmentLimits:
    """When a segment is sealed: whichever comes first."""

    rows: int = 1000
    bytes: int = 8 << 20
    age_seconds: float = 0.8


class Spool(Protocol):
    """`append`, `tick` and `sync` belong to the writer's thread, the rest to the sink's; `size` may be read by both."""

    @property
    def size(self) -> int:
        """Bytes that wait, sealed or not."""
        ...

    @property
    def oldest_age_seconds(self) -> float:
        """Age of the oldest segment; 0 where nothing waits."""
        ...

    def append(self, lines: Sequence[bytes]) -> int:
        """Appends whole lines (each ends in a line feed) and returns how many of the first ones are written. Raises
        OSError where none is."""
        ...

    def tick(self) -> None:
        """Seals what is old enough."""
        ...

    def sync(self) -> None:
        """Waits until what was appended would survive a loss of power."""
        ...

    def seal(self) -> None: ...

    def sealed(self) -> list[str]:
        """Names of the sealed segments, oldest first."""
        ...

    def read(self, name: str) -> bytes: ...

    def delete(self, name: str) -> None: ...

    def split(self, name: str, halves: Sequence[bytes]) -> None:
        """Puts two segments in the place of one that ClickHouse refused as a whole."""
        ...

    def bury(self, name: str, reason: str) -> None:
        """Sets a segment aside that ClickHouse will never accept."""
        ...

    def drop_oldest(self) -> int:
        """Deletes the oldest sealed segment that nobody is sending, and returns how many records it held."""
        ...

    def adopt(self) -> int:
        """Takes over what dead processes left behind, and returns how many segments that were."""
        ...

    def close(self) -> None: ...


class DiskSpool:
    """See the module. `limits` bound one segment; bounding the whole is the writer's business, by `size`."""

    def __init__(
        self, base: Path, *, limits: SegmentLimits, counters: Counters, sync_each_append: bool = False
    ) -> None:
        self._base = base
        self._limits = limits
        self._counters = counters
        self._sync_each_append = sync_each_append
        self._mutex = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._sending: str | None = None
        self._fd: int | None = None
        self._open_name = ""
        self._open_rows = 0
        self._open_size = 0
        self._opened_at = 0.0
        self._unsynced = False
        self._total = 0
        self._broken: list[Path] = []
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self._lock = _claim_folder(base)
        self._dead = base / "dead"
        self._dead.mkdir(mode=0o700, exist_ok=True)

    @property
    def size(self) -> int:
        with self._mutex:
            return self._total + self._open_size

    @property
    def oldest_age_seconds(self) -> float:
        with self._mutex:
            names = [*self._sizes, *([self._open_name] if self._fd is not None else [])]
        return max(0.0, time.time() - int(min(names)[:20]) / 1e9) if names else 0.0

    # The writer's side.

    def append(self, lines: Sequence[bytes]) -> int:
        written = 0
        while written < len(lines):
            group = self._fitting(lines, written)
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

    def _fitting(self, lines: Sequence[bytes], start: int) -> list[bytes]:
        rows, size = self._open_rows, self._open_size
        group: list[bytes] = []
        for line in lines[start:]:
            # A line longer than the limit still gets a segment: its own.
            if rows >= self._limits.rows or (size and size + len(line) > self._limits.bytes):
                break
            group.append(line)
            rows += 1
            size += len(line)
        if not group:
            self.seal()
            return self._fitting(lines, start)
        return group

    def _append_group(self, group: list[bytes]) -> None:
        if self._fd is None:
            self._begin()
        assert self._fd is not None
        good = self._open_size
        data = memoryview(b"".join(group))
        try:
            while data:
                data = data[os.write(self._fd, data) :]
            if self._sync_each_append:
                os.fdatasync(self._fd)
        except OSError:
            self._take_back(good)
            raise
        self._unsynced = not self._sync_each_append
        with self._mutex:
            self._open_size = good + sum(map(len, group))
        self._open_rows += len(group)

    def _begin(self) -> None:
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._fd = os.open(self.folder / f"{name}.open", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        with self._mutex:
            self._open_name, self._open_size = name, 0
        self._open_rows, self._opened_at = 0, time.monotonic()
        if self._sync_each_append:
            _sync_folder(self.folder)

    def _take_back(self, good: int) -> None:
        """A write failed half-way (a full disk): the file ends at its last whole line again, and is sealed there."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, good)
            self.seal()
        except OSError:
            # Nothing more may be appended behind half a line: the file is left for `adopt` to bring into order.
            os.close(self._fd)
            self._broken.append(self.folder / f"{self._open_name}.open")
            with self._mutex:
                self._fd, self._open_size = None, 0
            self._open_rows = 0

    def tick(self) -> None:
        # While others wait to be sent there is no hurry, and the segment may grow: a day without a server shall not
        # leave a hundred thousand small files.
        if self._fd is None or self._sizes:
            return
        if time.monotonic() - self._opened_at >= self._limits.age_seconds:
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
        with self._mutex:
            if self._open_rows:
                self._sizes[self._open_name] = self._open_size
                self._total += self._open_size
            self._fd, self._open_size = None, 0
        self._open_rows = 0

    # The sink's side.

    def sealed(self) -> list[str]:
        with self._mutex:
            return sorted(self._sizes)

    def read(self, name: str) -> bytes:
        with self._mutex:
            self._sending = name
        return self._segment(name).read_bytes()

    def delete(self, name: str) -> None:
        self._segment(name).unlink(missing_ok=True)
        self._forget(name)

    def split(self, name: str, halves: Sequence[bytes]) -> None:
        # Nobody sends a half before the whole is gone; `_recover` knows what each interruption leaves.
        names = [f"{name}.{position}" for position in range(len(halves))]
        for half_name, half in zip(names, halves, strict=True):
            _write_durably(self._segment(half_name), half)
        self._segment(name).unlink()
        with self._mutex:
            self._total -= self._sizes.pop(name, 0)
            self._sizes.update(zip(names, map(len, halves), strict=True))
            self._total += sum(map(len, halves))

    def bury(self, name: str, reason: str) -> None:
        _write_durably(self._dead / f"{name}.reason.txt", reason.encode())
        self._segment(name).rename(self._dead / f"{name}.json")
        self._forget(name)
        self._trim_dead()

    def _trim_dead(self) -> None:
        # What nobody looks at must not fill the disk: the oldest go first.
        limit = _MAX_DEAD_FRACTION * (1 << 30)
        files = sorted(self._dead.iterdir())
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= limit:
                break
            total -= file.stat().st_size
            file.unlink(missing_ok=True)

    def drop_oldest(self) -> int:
        with self._mutex:
            name = min((name for name in self._sizes if name != self._sending), default=None)
        if name is None:
            return 0
        try:
            rows = self._segment(name).read_bytes().count(b"\n")
        except FileNotFoundError:
            rows = 0  # it was sent in this very moment
        self.delete(name)
        return rows

    def adopt(self) -> int:
        adopted = self._mend()
        for folder in sorted(self._base.iterdir()):
            if folder == self.folder or folder == self._dead or not folder.is_dir():
                continue
            if folder.name.startswith(".new-") and time.time() - folder.stat().st_mtime < _STALE_FOLDER_SECONDS:
                continue
            lock = FolderLock(folder / "lock")
            if not lock.try_acquire(create=False):
                continue
            try:
                adopted += self._adopt_folder(folder)
            finally:
                lock.release()
        self._counters.adopted_segments += adopted
        return adopted

    def _mend(self) -> int:
        broken, self._broken = self._broken, []
        mended = 0
        for file in broken:
            _recover_open(file, self._counters)
            if file.with_suffix(".seg").exists():
                self._add(file.stem, file.with_suffix(".seg").stat().st_size)
                mended += 1
        return mended

    def _adopt_folder(self, folder: Path) -> int:
        segments = _recover(folder, self._counters)
        for file in segments:
            name, size = file.name.removesuffix(".seg"), file.stat().st_size
            file.rename(self._segment(name))
            self._add(name, size)
        for rest in folder.iterdir():
            rest.unlink()
        folder.rmdir()
        return len(segments)

    def close(self) -> None:
        """Seals, and gives up the folder: empty ones are removed, others are for the next process to adopt."""
        self.seal()
        if not self.sealed():
            with contextlib.suppress(OSError):
                (self.folder / "lock").unlink()
                self.folder.rmdir()
        self._lock.release()

    def _segment(self, name: str) -> Path:
        return self.folder / f"{name}.seg"

    def _add(self, name: str, size: int) -> None:
        with self._mutex:
            self._sizes[name] = size
            self._total += size

    def _forget(self, name: str) -> None:
        with self._mutex:
            self._total -= self._sizes.pop(name, 0)
            self._sending = None


def _claim_folder(base: Path) -> tuple[Path, FolderLock]:
    """A new folder, locked before anyone else can see it under a name that is adopted."""
    name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
    hidden = base / f".new-{name}"
    hidden.mkdir(mode=0o700)
    lock = FolderLock(hidden / "lock")
    if not lock.try_acquire():
        raise OSError(f"{hidden}: a new lock file is locked; the file system knows no locks")
    folder = base / name
    hidden.rename(folder)
    lock.file = folder / "lock"
    return folder, lock


def _recover(folder: Path, counters: Counters) -> list[Path]:
    """Brings a dead process's folder into order and returns its sealed segments."""
    for file in folder.glob("*.tmp"):
        file.unlink()
    for file in folder.glob("*.open"):
        _recover_open(file, counters)
    names = {file.name.removesuffix(".seg") for file in folder.glob("*.seg")}
    for name in sorted(names):
        halves = {f"{name}.0", f"{name}.1"} & names
        if len(halves) == 2:
            # Killed after writing both halves: they are all of it.
            (folder / f"{name}.seg").unlink()
        else:
            for half in halves:
                (folder / f"{half}.seg").unlink()
    return sorted(folder.glob("*.seg"))


def _recover_open(file: Path, counters: Counters) -> None:
    data = file.read_bytes()
    lines = data.split(b"\n")
    # What stands behind the last line feed was cut; an empty rest means that nothing was.
    lines = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    whole = [line for line in lines if _is_whole(line)]
    counters.torn += len(lines) - len(whole)
    if not whole:
        file.unlink()
    elif len(whole) == len(lines):
        file.rename(file.with_suffix(".seg"))
    else:
        _write_durably(file.with_suffix(".seg"), b"".join(whole))
        file.unlink()


def _is_whole(line: bytes) -> bool:
    if not line.endswith(b"}\n"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a loss of power; not every system lets one open a folder."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_durably(path: Path, data: bytes) -> None:
    """All of it under its name, or nothing."""
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(path)


class MemorySpool:
    """The same without a disk: what waits is lost with the process."""

    def __init__(self, *, limits: SegmentLimits) -> None:
        self._limits = limits
        self._mutex = threading.Lock()
        self._segments: dict[str, bytes] = {}
        self._open: list[bytes] = []
        self._open_size = 0
        self._opened_at = 0.0
        self._sending: str | None = None

    @property
    def size(self) -> int:
        with self._mutex:
            return sum(map(len, self._segments.values())) + self._open_size

    @property
    def oldest_age_seconds(self) -> float:
        with self._mutex:
            return max(0.0, time.time() - int(min(self._segments)[:20]) / 1e9) if self._segments else 0.0

    def append(self, lines: Sequence[bytes]) -> int:
        for line in lines:
            if self._open_size and self._open_size + len(line) > self._limits.bytes:
                self.seal()
            if not self._open:
                self._opened_at = time.monotonic()
            with self._mutex:
                self._open.append(line)
                self._open_size += len(line)
            if len(self._open) >= self._limits.rows:
                self.seal()
        return len(lines)

    def tick(self) -> None:
        if self._open and not self._segments and time.monotonic() - self._opened_at >= self._limits.age_seconds:
            self.seal()

    def sync(self) -> None:
        pass

    def seal(self) -> None:
        with self._mutex:
            if self._open:
                self._segments[f"{time.time_ns():020d}-{secrets.token_hex(4)}"] = b"".join(self._open)
                self._open, self._open_size = [], 0

    def sealed(self) -> list[str]:
        with self._mutex:
            return sorted(self._segments)

    def read(self, name: str) -> bytes:
        with self._mutex:
            self._sending = name
            return self._segments[name]

    def delete(self, name: str) -> None:
        with self._mutex:
            self._segments.pop(name, None)
            self._sending = None

    def split(self, name: str, halves: Sequence[bytes]) -> None:
        with self._mutex:
            del self._segments[name]
            self._segments.update({f"{name}.{position}": half for position, half in enumerate(halves)})

    def bury(self, name: str, reason: str) -> None:
        self.delete(name)

    def drop_oldest(self) -> int:
        with self._mutex:
            name = min((name for name in self._segments if name != self._sending), default=None)
            return self._segments.pop(name).count(b"\n") if name is not None else 0

    def adopt(self) -> int:
        return 0

    def close(self) -> None:
        self.seal()


def lines_of(segment: bytes) -> list[bytes]:
    """The records of a segment, each with its line feed."""
    return [line + b"\n" for line in segment.split(b"\n") if line]
