"""The tables of a SQLite store: counters, leases, documents and logs in rows.

Counters and leases are remembered from one transaction to the next, and written at a transaction's end, all together:
a counter that many requests of one transaction change is written once. What is remembered is right for as long as no
other connection has written, which SQLite reports at the beginning of each transaction, when the file is locked for
writing (`PRAGMA data_version`); and whatever was undone is forgotten with all else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from llm_gateway_sdk.store import Conflict, Document, LogEvent, Rate

from .records import Counter, Held, LeaseRecord

__all__ = ["SCHEMA", "SQLiteTables"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS counters (
  domain TEXT NOT NULL, key TEXT NOT NULL, settled INTEGER NOT NULL, open INTEGER NOT NULL, level INTEGER NOT NULL,
  at INTEGER NOT NULL, ticks INTEGER NOT NULL, forget INTEGER NOT NULL, PRIMARY KEY (domain, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
  domain TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, expires INTEGER NOT NULL, held TEXT NOT NULL,
  note TEXT NOT NULL, forget INTEGER NOT NULL, PRIMARY KEY (domain, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leases_due ON leases (domain, expires) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS leases_forget ON leases (forget) WHERE state <> 'open';
CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, value BLOB, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_version ON documents (version, key);
CREATE TABLE IF NOT EXISTS epoch (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL);
INSERT OR IGNORE INTO epoch VALUES (1, 0);
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), latest INTEGER NOT NULL);
INSERT OR IGNORE INTO clock VALUES (1, 0);
CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_end ON records (ends);
CREATE TABLE IF NOT EXISTS logs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL, log TEXT NOT NULL, at INTEGER NOT NULL,
  event TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_by_name ON logs (domain, log, number);
"""
_BITE = 500
"""Rows removed in one step."""
_LOOKED_AT = 2000
"""Counters that one step looks at, whether they may be removed: more than are made between two such steps, and few
enough whatever there are."""
_KEEP_SLACK = 1000
"""A log may be longer by so much before it is cut."""
_ROWS = (64, 8, 1)
"""Rows that one statement writes: few sizes, so that each is prepared once."""
_REMEMBERED = 20_000
"""Most counters, and most leases, that are remembered."""

_NEVER = 2**53
"""A time in milliseconds that does not come."""

Key = tuple[str, str]
"""Domain and name."""
CounterRow = tuple[int, int, int, int, int, int]
LeaseRow = tuple[Literal["open", "expired", "settled"], int, tuple[Held, ...], str, int]


class SQLiteTables:
    """Reads and writes in the transaction that the caller has begun. Raises Conflict as the store's documents do."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._version = -1
        """SQLite's own count of what other connections have written."""
        self._latest: int | None = None
        self._counters: dict[Key, CounterRow | None] = {}
        """None is a counter that there is not."""
        self._leases: dict[Key, LeaseRow | None] = {}
        """None is a lease that there is not."""
        self._changed_counters: set[Key] = set()
        self._changed_leases: set[Key] = set()
        self._clock_moved = False
        self._purged: Key = ("", "")
        """The counter up to which purges have come."""
        self._first_due: dict[str, int] = {}
        """No open lease of a domain ends before this."""

    # The transaction.

    def begin(self) -> None:
        """A transaction has begun that keeps others from writing."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version or max(len(self._counters), len(self._leases)) > _REMEMBERED:
            self.forget_all()
            self._version = version

    def flush(self) -> None:
        """Writes what has changed."""
        if self._clock_moved:
            self._db.execute("UPDATE clock SET latest = ?", (self._latest,))
            self._clock_moved = False
        if self._changed_counters:
            self._replace("counters", [(*key, *(self._counters[key] or ())) for key in self._changed_counters])
            self._changed_counters.clear()
        if self._changed_leases:
            rows = []
            for key in self._changed_leases:
                lease = self._leases[key]
                assert lease is not None
                state, expires, held, note, forget = lease
                rows.append((*key, state, expires, _dump_held(held), note, forget))
                if state != "open":
                    del self._leases[key]  # hardly ever asked for again
            self._replace("leases", rows)
            self._changed_leases.clear()

    def _replace(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Writes rows, many with each statement: for each one Python's lock is let go of, and has to be waited for
        while the event loop is busy."""
        start = 0
        while start < len(rows):
            count = next(size for size in _ROWS if size <= len(rows) - start)
            marks = f"({', '.join('?' * len(rows[0]))})"
            values = [value for row in rows[start : start + count] for value in row]
            self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES {', '.join([marks] * count)}", values)
            start += count

    def forget_all(self) -> None:
        """What is remembered may be wrong: it was undone, or others have written."""
        self._latest = None
        self._clock_moved = False
        self._counters.clear()
        self._leases.clear()
        self._changed_counters.clear()
        self._changed_leases.clear()
        self._first_due.clear()

    # Counters and leases.

    def fetch(self, places: Sequence[Key]) -> None:
        """Reads these counters at once; they are looked at next."""
        known = self._counters
        unknown = {place for place in places if place not in known}
        if len(unknown) < 2:
            return
        found = self._db.execute(
            "SELECT c.domain, c.key, settled, open, level, at, ticks, forget FROM json_each(?) AS place "
            "CROSS JOIN counters AS c ON c.domain = json_extract(place.value, '$[0]') "
            "AND c.key = json_extract(place.value, '$[1]')",
            (_encode(list(unknown)),),
        ).fetchall()
        known.update(dict.fromkeys(unknown))
        for domain, key, *row in found:
            known[domain, key] = tuple(row)

    def counter(self, domain: str, key: str) -> Counter | None:
        place = domain, key
        if place in self._counters:
            row = self._counters[place]
        else:
            row = self._counters[place] = self._db.execute(
                "SELECT settled, open, level, at, ticks, forget FROM counters WHERE domain = ? AND key = ?", place
            ).fetchone()
        return None if row is None else Counter(*row)

    def put_counter(self, domain: str, key: str, counter: Counter) -> None:
        place = domain, key
        self._counters[place] = (
            counter.settled, counter.open, counter.level, counter.at, counter.ticks, counter.forget,
        )  # fmt: skip
        self._changed_counters.add(place)

    def fetch_leases(self, places: Sequence[Key]) -> None:
        """Finds out which of these leases there are; they are looked at next."""
        known = self._leases
        unknown = {place for place in places if place not in known}
        if len(unknown) < 2:
            return
        found = self._db.execute(
            "SELECT l.domain, l.id, state, expires, held, note, forget FROM json_each(?) AS place "
            "CROSS JOIN leases AS l ON l.domain = json_extract(place.value, '$[0]') "
            "AND l.id = json_extract(place.value, '$[1]')",
            (_encode(list(unknown)),),
        ).fetchall()
        known.update(dict.fromkeys(unknown))
        for domain, lease_id, state, expires, held, note, forget in found:
            known[domain, lease_id] = state, expires, tuple(_load_held(held)), note, forget

    def lease(self, domain: str, lease_id: str) -> LeaseRecord | None:
        place = domain, lease_id
        if place in self._leases:
            known = self._leases[place]
            if known is None:
                return None
            state, expires, held, note, forget = known
            return LeaseRecord(state, expires, list(held), note, forget)
        row = self._db.execute(
            "SELECT state, expires, held, note, forget FROM leases WHERE domain = ? AND id = ?", (domain, lease_id)
        ).fetchone()
        if row is None:
            return None
        return LeaseRecord(row[0], row[1], _load_held(row[2]), row[3], row[4])

    def put_lease(self, domain: str, lease_id: str, record: LeaseRecord) -> None:
        place = domain, lease_id
        self._leases[place] = record.state, record.expires, tuple(record.held), record.note, record.forget
        self._changed_leases.add(place)
        first = self._first_due.get(domain)
        if first is not None and record.state == "open" and record.expires < first:
            self._first_due[domain] = record.expires

    def due(self, domain: str, now: int, limit: int) -> list[str]:
        if now < self._first_due.get(domain, 0):
            return []
        self.flush()
        rows = self._db.execute(
            "SELECT id FROM leases WHERE domain = ? AND state = 'open' AND expires <= ? ORDER BY expires LIMIT ?",
            (domain, now, limit),
        )
        found = [row[0] for row in rows.fetchall()]
        if not found:
            (first,) = self._db.execute(
                "SELECT min(expires) FROM leases WHERE domain = ? AND state = 'open'", (domain,)
            ).fetchone()
            self._first_due[domain] = _NEVER if first is None else first
        return found

    def now(self, clock_ms: int) -> int:
        """The time, which never goes back, not for any process that uses the file."""
        if self._latest is None:
            self._latest = int(self._db.execute("SELECT latest FROM clock").fetchone()[0])
        if clock_ms > self._latest:
            self._latest, self._clock_moved = clock_ms, True
        return self._latest

    def purge(self, now: int) -> None:
        self.flush()
        self._counters.clear()
        self._db.execute(
            "DELETE FROM leases WHERE (domain, id) IN "
            "(SELECT domain, id FROM leases WHERE state <> 'open' AND forget <= ? LIMIT ?)",
            (now, _BITE),
        )
        since = self._purged
        until = self._db.execute(
            "SELECT domain, key FROM counters WHERE (domain, key) > (?, ?) ORDER BY domain, key LIMIT 1 OFFSET ?",
            (*since, _LOOKED_AT),
        ).fetchone()
        self._db.execute(
            "DELETE FROM counters WHERE (domain, key) > (?, ?) "
            + ("AND (domain, key) <= (?, ?) " if until is not None else "")
            + "AND open = 0 AND ((forget > 0 AND forget <= ?) OR (settled = 0 AND level = 0))",
            (*since, *(until or ()), now),
        )
        self._purged = until or ("", "")

    # Records.

    def keep(self, records: Mapping[str, bytes], ends: int, now: int) -> None:
        self._db.execute(
            "DELETE FROM records WHERE key IN (SELECT key FROM records WHERE ends <= ? LIMIT ?)", (now, _BITE)
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
            [(key, bytes(value), ends) for key, value in records.items()],
        )

    def recall(self, keys: Sequence[str], now: int) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for key in keys:
            row = self._db.execute("SELECT value FROM records WHERE key = ? AND ends > ?", (key, now)).fetchone()
            if row is not None:
                found[key] = bytes(row[0])
        return found

    def forget(self, keys: Sequence[str], now: int) -> int:
        return sum(
            self._db.execute("DELETE FROM records WHERE key = ? AND ends > ?", (key, now)).rowcount for key in keys
        )

    # Logs.

    def add_event(self, domain: str, log: str, at: int, event: dict[str, Any], keep: int) -> None:
        cursor = self._db.execute(
            "INSERT INTO logs (domain, log, at, event) VALUES (?, ?, ?, ?)",
            (domain, log, at, json.dumps(event, separators=(",", ":"))),
        )
        if (cursor.lastrowid or 0) % min(_KEEP_SLACK, max(1, keep // 10)) == 0:
            self._db.execute(
                "DELETE FROM logs WHERE domain = ? AND log = ? AND number <= "
                "(SELECT number FROM logs WHERE domain = ? AND log = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (domain, log, domain, log, keep),
            )

    def events(self, domain: str, log: str, after: int, limit: int) -> list[LogEvent]:
        rows = self._db.execute(
            "SELECT number, at, event FROM logs WHERE domain = ? AND log = ? AND number > ? ORDER BY number LIMIT ?",
            (domain, log, after, limit),
        )
        return [LogEvent(str(number), at / 1000, json.loads(event)) for number, at, event in rows.fetchall()]

    # Documents. A deleted one leaves its row without a value, so that readers of changes see it.

    def get(self, key: str) -> Document | None:
        row = self._db.execute(
            "SELECT value, version FROM documents WHERE key = ? AND value IS NOT NULL", (key,)
        ).fetchone()
        return None if row is None else Document(key, bytes(row[0]), row[1])

    def get_all(self, keys: Sequence[str]) -> dict[str, Document]:
        """The documents of these keys."""
        if len(keys) == 1:
            found = self.get(keys[0])
            return {} if found is None else {keys[0]: found}
        rows = self._db.execute(
            "SELECT d.key, d.value, d.version FROM json_each(?) AS wanted "
            "CROSS JOIN documents AS d ON d.key = wanted.value WHERE d.value IS NOT NULL",
            (_encode(keys),),
        )
        return {key: Document(key, bytes(value), version) for key, value, version in rows.fetchall()}

    def put(self, key: str, value: bytes | None, expected: int | None) -> int:
        """The new version; 0 where nothing was there to be deleted."""
        present = self.get(key)
        version = present.version if present is not None else 0
        if expected is not None and expected != version:
            raise Conflict(f"{key} has version {version}, not {expected}")
        if value is None and present is None:
            return 0
        self._db.execute("UPDATE epoch SET number = number + 1")
        epoch = self.epoch()
        self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (key, value, epoch))
        return epoch

    def scan(self, prefix: str, after: str, limit: int) -> list[Document]:
        rows: Sequence[tuple[str, bytes, int]] = self._db.execute(
            "SELECT key, value, version FROM documents WHERE key >= ? AND key > ? AND value IS NOT NULL "
            "AND substr(key, 1, ?) = ? ORDER BY key LIMIT ?",
            (prefix, after, len(prefix), prefix, limit),
        ).fetchall()
        return [Document(key, bytes(value), version) for key, value, version in rows]

    def epoch(self) -> int:
        return int(self._db.execute("SELECT number FROM epoch").fetchone()[0])

    def changed_since(self, epoch: int) -> tuple[int, frozenset[str]]:
        """The present epoch, and the keys that have changed since."""
        rows = self._db.execute("SELECT key FROM documents WHERE version > ?", (epoch,)).fetchall()
        return self.epoch(), frozenset(row[0] for row in rows)


def _dump_held(held: Sequence[Held]) -> str:
    if not held:
        return "[]"
    rows = []
    for each in held:
        row: list[Any] = [each.key, each.amount, int(each.charge)]
        if each.rate is not None:
            row += [each.taken, each.rate.limit, each.rate.ticks, each.rate.tick_ms, each.rate.burst]
        rows.append(row)
    return _encode(rows)


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _load_held(text: str) -> list[Held]:
    held = []
    for key, amount, charge, *rate in json.loads(text):
        held.append(
            Held(key, amount, bool(charge), Rate(*rate[1:]), rate[0]) if rate else Held(key, amount, bool(charge))
        )
    return held
