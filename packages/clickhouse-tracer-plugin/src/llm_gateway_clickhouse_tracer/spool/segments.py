"""Sealed segments in a folder: the side of the spool from which they are sent.

Works on the folder alone, without the process that writes it, so that another process may do the sending.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from ..counters import Counters
from .framing import count_records, whole_length
from .locks import FolderLock

__all__ = ["SegmentFolder", "Segments", "recover_open", "sync_folder"]

_STALE_FOLDER_SECONDS: Final = 60.0
_MAX_DEAD_BYTES: Final = 100 << 20


class Segments(Protocol):
    """What the sink needs of a spool."""

    def sealed(self) -> list[str]:
        """Names of the sealed segments, oldest first."""
        ...

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError where it was given up meanwhile."""
        ...

    def delete(self, name: str) -> None: ...

    def split(self, name: str, halves: Sequence[bytes]) -> None:
        """Puts two segments in the place of one that ClickHouse refused as a whole."""
        ...

    def bury(self, name: str, reason: str) -> None:
        """Sets a segment aside that ClickHouse will never accept."""
        ...

    def adopt(self) -> int:
        """Takes over what dead processes left behind, and returns how many segments that were."""
        ...


class SegmentFolder:
    """`folder` is one process's own below `base`, in which all processes have theirs."""

    def __init__(self, base: Path, folder: Path, counters: Counters) -> None:
        self._base = base
        self._folder = folder
        self._dead = base / "dead"
        self._sealed_sizes: dict[str, int] = {}
        self._counters = counters

    def sealed(self) -> list[str]:
        return sorted(name.removesuffix(".seg") for name in os.listdir(self._folder) if name.endswith(".seg"))

    def size(self) -> int:
        """Bytes of all segments, the open one included."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return 0  # the folder is gone once the spool is closed
        known = self._sealed_sizes
        # Sealed segments never change: each is looked at once. This runs next to a busy event loop, which every look at
        # a file would interrupt.
        sizes = {name: known.get(name) or self._size_of(name) for name in names}
        self._sealed_sizes = {name: size for name, size in sizes.items() if name.endswith(".seg")}
        return sum(sizes.values())

    def _size_of(self, name: str) -> int:
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return 0  # sent meanwhile

    def oldest_age_seconds(self) -> float:
        """Age of the oldest segment, open or sealed; 0 where nothing waits."""
        try:
            names = [name for name in os.listdir(self._folder) if name.endswith((".seg", ".open"))]
        except FileNotFoundError:
            return 0.0
        return max(0.0, time.time() - int(min(names)[:20]) / 1e9) if names else 0.0

    def read(self, name: str) -> bytes:
        return self._segment(name).read_bytes()

    def delete(self, name: str) -> None:
        self._segment(name).unlink(missing_ok=True)

    def split(self, name: str, halves: Sequence[bytes]) -> None:
        # A half is not sent before the whole is gone; `_recover` knows what each interruption leaves.
        for position, half in enumerate(halves):
            _write_durably(self._segment(f"{name}.{position}"), half)
        self._segment(name).unlink()

    def bury(self, name: str, reason: str) -> None:
        _write_durably(self._dead / f"{name}.reason.txt", reason.encode())
        self._segment(name).rename(self._dead / f"{name}.record")
        self._trim_dead()

    def _trim_dead(self) -> None:
        # What is never looked at must not fill the disk: the oldest go first.
        files = sorted(self._dead.iterdir())
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= _MAX_DEAD_BYTES:
                break
            total -= file.stat().st_size
            file.unlink(missing_ok=True)

    def drop_oldest(self) -> int:
        """Deletes the oldest segment that can't be on its way, and returns how many records it held."""
        names = self.sealed()
        if len(names) < 2:
            return 0  # the oldest of all may be under way
        try:
            rows = count_records(self.read(names[1]))
        except FileNotFoundError:
            return 0
        self.delete(names[1])
        return rows

    def adopt(self) -> int:
        adopted = 0
        for folder in sorted(self._base.iterdir()):
            if folder == self._folder or folder == self._dead or not folder.is_dir():
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

    def _adopt_folder(self, folder: Path) -> int:
        adopted = 0
        for file in _recover(folder, self._counters):
            # The dead process's sender may still be at it: then the file is gone, and sent.
            with contextlib.suppress(FileNotFoundError):
                file.rename(self._folder / file.name)
                adopted += 1
        for rest in folder.iterdir():
            rest.unlink(missing_ok=True)
        folder.rmdir()
        return adopted

    def _segment(self, name: str) -> Path:
        return self._folder / f"{name}.seg"


def recover_open(file: Path, counters: Counters) -> None:
    """Seals a segment that its writer could not: without the record that was cut, if there is one."""
    data = file.read_bytes()
    whole = whole_length(data)
    if whole < len(data):
        counters.torn += max(1, count_records(data[whole:]))
    if not whole:
        file.unlink()
    elif whole == len(data):
        file.rename(file.with_suffix(".seg"))
    else:
        _write_durably(file.with_suffix(".seg"), data[:whole])
        file.unlink()


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a loss of power; not every system lets one open a folder."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _recover(folder: Path, counters: Counters) -> list[Path]:
    """Brings a dead process's folder into order and returns its sealed segments."""
    for file in folder.glob("*.tmp"):
        file.unlink(missing_ok=True)
    for file in folder.glob("*.open"):
        recover_open(file, counters)
    names = {file.name.removesuffix(".seg") for file in folder.glob("*.seg")}
    for name in sorted(names):
        halves = {f"{name}.0", f"{name}.1"} & names
        if len(halves) == 2:
            # Killed after writing both halves: they are all of it.
            (folder / f"{name}.seg").unlink(missing_ok=True)
        else:
            for half in halves:
                (folder / f"{half}.seg").unlink(missing_ok=True)
    return sorted(folder.glob("*.seg"))


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
