"""A lock on a folder that vanishes with the process that holds it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["FolderLock"]


class FolderLock:
    """`try_acquire` never waits. The lock is on an open file, so that a killed process leaves none behind."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._fd: int | None = None

    def try_acquire(self, *, create: bool = True) -> bool:
        """False where another process holds it, or where the file is gone (with `create=False`)."""
        flags = os.O_RDWR | (os.O_CREAT if create else 0)
        try:
            fd = os.open(self.file, flags, 0o600)
        except FileNotFoundError:
            return False
        if not _lock(fd):
            os.close(fd)
            return False
        # Another process may have removed the file between opening and locking: then the lock is on nothing.
        if not create and not _is_same_file(fd, self.file):
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _is_same_file(fd: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(file))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
