"""`sqlite:PATH`, a store in one file of one machine, for any number of its processes. Needs nothing but Python."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from llm_gateway_sdk.gathering import Gathered
from llm_gateway_sdk.store import (
    Amount,
    Change,
    CounterState,
    Document,
    Entry,
    Granted,
    Lease,
    LogEvent,
    Refused,
    Store,
    StoreError,
)

from .books import Books
from .sqlite_tables import SCHEMA, SQLiteTables
from .writer import Writer

__all__ = ["SQLiteStore"]

T = TypeVar("T")
_NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "fuse.sshfs",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
}
_POLL_SECONDS = 0.25


_Reservation = tuple[str, Sequence[Entry], Lease]
_Settlement = tuple[str, str, Sequence[Amount], bool, str]


class SQLiteStore(Store):
    """Counts in a file in WAL mode. The file is made when something first uses it, readable by its owner alone."""

    name = "sqlite"
    example = "sqlite:./state.db"
    configuration_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "deadline": {
                "type": "number",
                "exclusiveMinimum": 0,
                "x-duration": True,
                "default": 1000,
                "description": "How long a call may wait for the file.",
            },
            "synchronous": {
                "enum": ["normal", "full"],
                "default": "normal",
                "description": "`full` waits for the disk at each commit: nothing is lost when the machine loses "
                "power, and every commit costs a write to the disk.",
            },
        },
    }

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._path = Path()
        self._deadline = 1.0
        self._synchronous = "NORMAL"
        self._writer: Writer | None = None
        self._memory = _Memory()
        self._reserving = Gathered[_Reservation, Granted | Refused](self._reserve_all)
        self._settling = Gathered[_Settlement, None](self._settle_all)
        self._getting = Gathered[str, Document | None](self._get_all)

    def configure(self, url: str, config: Mapping[str, Any], *, directory: str | os.PathLike[str] = ".") -> None:
        written = re.sub(r"^sqlite:(//(?=/))?", "", url)
        if not written or written.startswith("//"):
            raise ValueError('expected the path of a file, such as "sqlite:./state.db" or "sqlite:/var/lib/state.db"')
        if written.startswith(("/./", "/../")):
            raise ValueError(f'three slashes begin at the root of the machine; write "sqlite:{written[1:]}"')
        if "?" in written or ":memory:" in written:
            raise ValueError('the URL holds only the path of a file; for a store in memory write "memory:"')
        self._path = Path(directory, unquote(written)).absolute()
        if self._path.is_dir():
            raise ValueError(f"{self._path} is a folder; expected the path of a file")
        if not self._path.parent.is_dir():
            raise ValueError(f"there is no folder {self._path.parent}")
        target = self._path if self._path.exists() else self._path.parent
        if not os.access(target, os.W_OK):
            raise ValueError(
                f"{target} can't be written to; name a folder by LLM_GATEWAY_STATE_DIR, or write `store.url`"
            )
        if (kind := _file_system(self._path.parent)) in _NETWORK_FILE_SYSTEMS:
            raise ValueError(f"{self._path} is on a network file system ({kind}), where SQLite's locks do not hold")
        self._deadline = float(config.get("deadline", 1000)) / 1000
        self._synchronous = str(config.get("synchronous", "normal")).upper()

    def exists(self) -> bool:
        return self._path.exists()

    async def check(self) -> list[str]:
        await self.epoch()
        return []

    async def aclose(self) -> None:
        for gathered in (self._reserving, self._settling, self._getting):
            await gathered.aclose()
        if self._writer is not None:
            await self._writer.aclose()

    # Counters.

    async def reserve(self, entries: Sequence[Entry], lease: Lease, *, domain: str = "") -> Granted | Refused:
        return await self._reserving.ask((domain, entries, lease))

    async def settle(
        self, lease_id: str, actual: Sequence[Amount], *, domain: str = "", reserved: bool = True, note: str = ""
    ) -> None:
        await self._settling.ask((domain, lease_id, actual, reserved, note))

    async def extend(self, lease_ids: Sequence[str], seconds: float, *, domain: str = "") -> frozenset[str]:
        return await self._step(lambda tables, books, now: books.extend(domain, lease_ids, seconds, now))

    async def read(self, entries: Sequence[Entry], *, domain: str = "") -> tuple[CounterState, ...]:
        return await self._step(lambda tables, books, now: books.read(domain, entries, now))

    # Documents.

    async def get(self, key: str) -> Document | None:
        return await self._getting.ask(key)

    async def put(self, key: str, value: bytes, *, expected: int | None = None) -> int:
        return await self._step(lambda tables, books, now: tables.put(key, bytes(value), expected))

    async def delete(self, key: str, *, expected: int | None = None) -> bool:
        return await self._step(lambda tables, books, now: tables.put(key, None, expected) > 0)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        return await self._step(lambda tables, books, now: tables.scan(prefix, after, limit))

    async def epoch(self) -> int:
        return await self._step(lambda tables, books, now: tables.epoch())

    async def changes(self) -> AsyncIterator[Change]:
        seen = await self.epoch()
        yield Change(seen, None)
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            epoch, keys = await self._step(partial(_changed_since, seen))
            if epoch != seen:
                seen = epoch
                yield Change(epoch, keys)

    # Records.

    async def keep(self, records: Mapping[str, bytes], seconds: float) -> None:
        await self._step(lambda tables, books, now: tables.keep(records, now + round(seconds * 1000), now))

    async def recall(self, keys: Sequence[str]) -> dict[str, bytes]:
        return await self._step(lambda tables, books, now: tables.recall(keys, now))

    async def forget(self, keys: Sequence[str]) -> int:
        return await self._step(lambda tables, books, now: tables.forget(keys, now))

    # Logs.

    async def append(
        self, log: str, events: Sequence[Mapping[str, Any]], *, keep: int = 100_000, domain: str = ""
    ) -> None:
        def write(tables: SQLiteTables, books: Books, now: int) -> None:
            for event in events:
                tables.add_event(domain, log, now, dict(event), keep)

        await self._step(write)

    async def read_since(self, log: str, cursor: str = "", *, limit: int = 1000, domain: str = "") -> list[LogEvent]:
        return await self._step(lambda tables, books, now: tables.events(domain, log, int(cursor or 0), limit))

    # In the writer's thread.

    async def _reserve_all(self, asked: Sequence[_Reservation]) -> list[Granted | Refused | Exception]:
        return await self._step(partial(_reserve_all, asked))

    async def _settle_all(self, asked: Sequence[_Settlement]) -> list[Exception | None]:
        return await self._step(partial(_settle_all, asked))

    async def _get_all(self, keys: Sequence[str]) -> list[Document | None]:
        return await self._step(partial(_get_all, keys))

    async def _step(self, work: Callable[[SQLiteTables, Books, int], T]) -> T:
        if self._writer is None:
            self._writer = Writer(self._connect, self._memory, name="llm-gateway-store")

        def step(connection: sqlite3.Connection) -> T:
            tables, books = self._memory.of(connection)
            return work(tables, books, tables.now(int(self._clock() * 1000)))

        return await self._writer.run(step, deadline=self._deadline)

    def _connect(self) -> sqlite3.Connection:
        if not self._path.exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, timeout=min(0.25, self._deadline), isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute("COMMIT")
        return connection


class _Memory:
    """The tables of the writer's present connection."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._tables: SQLiteTables | None = None
        self._books: Books | None = None

    def of(self, connection: sqlite3.Connection) -> tuple[SQLiteTables, Books]:
        if self._tables is None or self._books is None or self._connection is not connection:
            self._connection, self._tables = connection, SQLiteTables(connection)
            self._books = Books(self._tables)
        return self._tables, self._books

    def begin(self, connection: sqlite3.Connection) -> None:
        self.of(connection)[0].begin()

    def flush(self) -> None:
        if self._tables is not None:
            self._tables.flush()

    def forget(self) -> None:
        if self._tables is not None:
            self._tables.forget_all()


# The accounting refuses what it can't do before it has changed anything: the others of a step need not be undone.


def _reserve_all(
    asked: Sequence[_Reservation], tables: SQLiteTables, books: Books, now: int
) -> list[Granted | Refused | Exception]:
    tables.fetch([(domain, entry.key) for domain, entries, _ in asked for entry in entries])
    tables.fetch_leases([(domain, lease.id) for domain, _, lease in asked])
    answers: list[Granted | Refused | Exception] = []
    for domain, entries, lease in asked:
        try:
            answers.append(books.reserve(domain, entries, lease, now))
        except (StoreError, ValueError) as error:
            answers.append(error)
    return answers


def _settle_all(asked: Sequence[_Settlement], tables: SQLiteTables, books: Books, now: int) -> list[Exception | None]:
    tables.fetch_leases([(domain, lease_id) for domain, lease_id, *_ in asked])
    answers: list[Exception | None] = []
    for domain, lease_id, actual, reserved, note in asked:
        try:
            books.settle(domain, lease_id, actual, now, reserved=reserved, note=note)
            answers.append(None)
        except ValueError as error:
            answers.append(error)
    return answers


def _get_all(keys: Sequence[str], tables: SQLiteTables, books: Books, now: int) -> list[Document | None]:
    found = tables.get_all(keys)
    return [found.get(key) for key in keys]


def _changed_since(epoch: int, tables: SQLiteTables, books: Books, now: int) -> tuple[int, frozenset[str]]:
    return tables.changed_since(epoch)


def _file_system(folder: Path) -> str:
    """The type of the file system that holds the folder; empty where that can't be found out."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, found = -1, ""
    for line in mounts:
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if len(point) > best and (folder == Path(point) or Path(point) in folder.parents):
            best, found = len(point), kind
    return found
