"""The keys in the store: making, finding, rotating, revoking. Every change is written to the audit log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

from llm_gateway_sdk import Conflict, Document, Store
from llm_gateway_sdk.audit import audited

from .keys import KeyRecord, digest_of, imported_key_id, new_key

__all__ = ["PREFIX", "Keyring", "Minted", "UnknownKey"]

PREFIX = "keys/"
"""Where keys are among the store's documents."""
_TRIES = 10
_PAGE = 500


class UnknownKey(LookupError):
    """There is no key of that id."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A key that was just made. `key` is never to be had again."""

    key: str
    record: KeyRecord


class Keyring:
    """Reads and changes keys. `pepper` must be the same wherever the store is used."""

    def __init__(self, store: Store, pepper: bytes = b"", clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._pepper = pepper
        self._clock = clock

    async def create(self, name: str, *, by: str = "", source: str = "", **owner: Any) -> Minted:
        """A new key. `owner` may have user, team, org, labels, models, projects, expires."""
        key_id, key = new_key()
        return await self._add(key_id, key, name, "key.create", by, source, owner)

    async def take_in(self, key: str, name: str, *, by: str = "", source: str = "", **owner: Any) -> Minted:
        """A key of another system, valid as it is. Raises ValueError where it is too short to be a secret or is known
        already."""
        if len(key) < 16:
            raise ValueError("a key needs 16 characters or more")
        try:
            key_id = imported_key_id(key)
            if await self._store.get(PREFIX + key_id) is not None:
                raise Conflict(key_id)  # it need not be written down
            return await self._add(key_id, key, name, "key.import", by, source, owner)
        except Conflict:
            raise ValueError("the key is known already") from None

    async def _add(
        self, key_id: str, key: str, name: str, action: str, by: str, source: str, owner: Mapping[str, Any]
    ) -> Minted:
        now = self._clock()
        record = KeyRecord(
            id=key_id, name=name, digest=digest_of(key, self._pepper), created=now, changed=now, created_by=by, **owner
        )
        async with self._audited(action, by, source, None, record):
            await self._store.put(PREFIX + key_id, record.encode(), expected=0)
        return Minted(key, record)

    async def get(self, key_id: str) -> tuple[KeyRecord, int]:
        """A key and its version. Raises UnknownKey."""
        document = await self._store.get(PREFIX + key_id)
        if document is None:
            raise UnknownKey(key_id)
        return KeyRecord.decode(document.value), document.version

    async def page(self, *, after: str = "", limit: int = 100) -> list[tuple[KeyRecord, int]]:
        """Keys by id, those after the id `after`."""
        start = PREFIX + after if after else ""
        found: Iterable[Document] = await self._store.scan(PREFIX, after=start, limit=limit)
        return [(KeyRecord.decode(document.value), document.version) for document in found]

    async def search(self, wanted: str, *, after: str = "", limit: int = 100) -> list[KeyRecord]:
        """Keys by id after the id `after`, those that have `wanted` in id, name, holder, state or labels, in any case.

        Reads as many as it takes to find `limit`, at most all: 10⁵ keys are some 200 reads of the store.
        """
        wanted, found = wanted.casefold(), []
        while True:
            page = await self.page(after=after, limit=_PAGE)
            found += [record for record, _ in page if wanted in _searchable(record)]
            if len(page) < _PAGE or len(found) >= limit:
                return found[:limit]
            after = page[-1][0].id

    async def all(self) -> list[KeyRecord]:
        """Every key."""
        found: list[KeyRecord] = []
        while True:
            page = await self.page(after=found[-1].id if found else "", limit=_PAGE)
            found += [record for record, _ in page]
            if len(page) < _PAGE:
                return found

    async def rotate(
        self, key_id: str, *, grace: float = 0.0, expected: int | None = None, by: str = "", source: str = ""
    ) -> Minted:
        """Another secret of the same id; the former one is valid for `grace` seconds more.

        Raises UnknownKey, ValueError for a revoked key, Conflict where the version is not `expected`.
        """
        _, key = new_key(key_id)

        def change(record: KeyRecord, now: float) -> KeyRecord:
            if record.state != "active":
                raise ValueError("a revoked key can't be rotated")
            kept = grace > 0
            return replace(
                record,
                digest=digest_of(key, self._pepper),
                former_digest=record.digest if kept else None,
                former_until=now + grace if kept else None,
            )

        if len(key_id) != 12:
            raise ValueError("an imported key has a secret of another system; make a new key instead")
        return Minted(key, await self._change(key_id, change, "key.rotate", expected, by, source))

    async def revoke(self, key_id: str, *, expected: int | None = None, by: str = "", source: str = "") -> KeyRecord:
        """Ends a key for good, its former secret too. Raises UnknownKey, Conflict."""

        def change(record: KeyRecord, now: float) -> KeyRecord:
            return replace(record, state="revoked", former_digest=None, former_until=None)

        return await self._change(key_id, change, "key.revoke", expected, by, source)

    async def update(
        self, key_id: str, changes: Mapping[str, Any], *, expected: int | None = None, by: str = "", source: str = ""
    ) -> KeyRecord:
        """Changes name, owner, labels, models, projects or expiry. Raises UnknownKey, Conflict."""
        return await self._change(
            key_id, lambda record, now: replace(record, **changes), "key.update", expected, by, source
        )

    async def _change(
        self,
        key_id: str,
        change: Callable[[KeyRecord, float], KeyRecord],
        action: str,
        expected: int | None,
        by: str,
        source: str,
    ) -> KeyRecord:
        for left in reversed(range(_TRIES)):
            before, version = await self.get(key_id)
            if expected is not None and version != expected:
                raise Conflict(f"the key has version {version}")
            now = self._clock()
            after = replace(change(before, now), changed=now)
            try:
                async with self._audited(action, by, source, before, after):
                    await self._store.put(PREFIX + key_id, after.encode(), expected=version)
            except Conflict:
                if expected is not None or not left:
                    raise
                continue
            return after
        raise AssertionError("unreachable")

    def _audited(
        self, action: str, by: str, source: str, before: KeyRecord | None, after: KeyRecord
    ) -> AbstractAsyncContextManager[None]:
        known = None if before is None else before.public()
        subject = f"key:{after.id}"
        return audited(self._store, action, subject, by=by, source=source, before=known, after=after.public())


def _searchable(record: KeyRecord) -> str:
    fields = (record.id, record.name, record.user, record.team, record.org, record.state, *record.labels.values())
    return "\n".join(field for field in fields if field).casefold()
