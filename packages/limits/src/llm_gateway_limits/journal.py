"""Settlements that the store has not taken yet: in memory and in a file, sent again until it takes them.

A worker writes its own file and holds a lock on it while it lives. A worker that starts takes over the files whose
writers are gone. Settlements are idempotent by lease id, so that sending one twice does no harm.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import stat
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from llm_gateway_sdk import Amount, Store, StoreUnavailable

__all__ = ["Journal", "Settlement", "default_folder"]

log = logging.getLogger("llm_gateway.plugins.limits")

_MOST = 100_000
"""Settlements that wait at most; the oldest are given up then, and left to their leases."""


@dataclass(frozen=True, slots=True)
class Settlement:
    lease_id: str
    amounts: tuple[Amount, ...]
    reserved: bool = True
    note: str = ""
    """For the ledger, where the store does not know the lease."""

    def dump(self) -> str:
        amounts = [[each.key, each.amount, each.ends, each.partial, each.estimated] for each in self.amounts]
        return json.dumps([self.lease_id, amounts, self.reserved, self.note], separators=(",", ":"))

    @staticmethod
    def load(line: str) -> Settlement:
        lease_id, amounts, reserved, note = json.loads(line)
        charged = tuple(
            Amount(str(key), int(amount), float(ends), *(int(mark) for mark in marks))
            for key, amount, ends, *marks in amounts
        )
        return Settlement(str(lease_id), charged, bool(reserved), str(note))


def default_folder() -> Path:
    """A folder of this user in the machine's temporary one."""
    return Path(tempfile.gettempdir()) / f"llm-gateway-limits-{os.getuid()}"


def _belongs_to_another(folder: Path) -> bool:
    """Whether another user of the machine has made it, or could write to it."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or bool(found.st_mode & stat.S_IWOTH)


class Journal:
    """`folder` None keeps them in memory alone. `private` is a folder above it which must be this user's: who can
    write to it can charge anybody."""

    def __init__(self, folder: Path | None, *, private: Path | None = None) -> None:
        if private is not None and _belongs_to_another(private):
            log.warning("settlements are kept only in memory: %s is writable for others; set `journal`", private)
            folder = None
        self._private = private
        self._folder = folder
        self._waiting: deque[Settlement] = deque()
        self._file: int | None = None
        self._path: Path | None = None
        self.lost = 0
        if folder is not None:
            self._adopt(folder)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, settlement: Settlement) -> None:
        self._waiting.append(settlement)
        if len(self._waiting) > _MOST:
            self._waiting.popleft()
            self.lost += 1
        self._write(settlement)

    async def replay(self, store: Store) -> None:
        """Sends what waits, until the store fails or all is sent."""
        while self._waiting:
            first = self._waiting[0]
            try:
                await store.settle(first.lease_id, first.amounts, reserved=first.reserved, note=first.note)
            except StoreUnavailable:
                return
            except Exception:
                log.exception("a settlement failed permanently and is dropped")
                self.lost += 1
            if self._waiting and self._waiting[0] is first:
                self._waiting.popleft()
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Lets go of the file; it is removed where nothing waits, else the next worker takes it over."""
        if self._file is None or self._path is None:
            return
        if not self._waiting:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    def _write(self, settlement: Settlement) -> None:
        if self._folder is None:
            return
        try:
            if self._file is None:
                self._open(self._folder)
            assert self._file is not None
            os.write(self._file, f"{settlement.dump()}\n".encode())
        except OSError as error:
            log.warning("settlements are kept only in memory: %s", error)
            self._folder = None

    def _open(self, folder: Path) -> None:
        if self._private is not None:
            self._private.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _belongs_to_another(self._private):
                raise PermissionError(f"{self._private} is writable for others")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def _adopt(self, folder: Path) -> None:
        """Takes over the files of workers that are gone."""
        for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
            try:
                file = os.open(path, os.O_RDWR)
            except OSError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)  # its writer lives
                continue
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    self.add(Settlement.load(line))
                except (ValueError, TypeError):
                    continue  # the machine stopped while it was written
            path.unlink(missing_ok=True)
            os.close(file)
