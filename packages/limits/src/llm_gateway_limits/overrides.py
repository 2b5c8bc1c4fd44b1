"""Amounts that an operator gives some subjects at run time: documents of the store, the same for all workers.

The configuration stays the place of the limits themselves. An override names a limit, whom it is for, and another
amount; it counts before those of the configuration, on the counters that there are.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import Conflict, Document, Store, StoreError
from llm_gateway_sdk.audit import audited
from llm_gateway_sdk.background import end_tasks

from .amounts import decode_amount
from .rules import Override, Rule, with_overrides

__all__ = ["PREFIX", "LiveRules", "OverrideBook", "StoredOverride", "UnknownOverride"]

log = logging.getLogger("llm_gateway.plugins.limits")

PREFIX = "limits/overrides/"
"""Where overrides are among the store's documents."""
_PAGE = 500
_RETRY_SECONDS = 1.0


class UnknownOverride(LookupError):
    """There is no override of that id."""


@dataclass(frozen=True, slots=True)
class StoredOverride:
    id: str
    limit: str
    subject: Mapping[str, str]
    amount: str | None
    """As it was written; None lifts the limit."""
    until: float | None
    reason: str
    by: str
    created: float

    def public(self) -> dict[str, Any]:
        return {
            "id": self.id, "limit": self.limit, "subject": dict(self.subject), "amount": self.amount,
            "until": self.until, "reason": self.reason, "createdBy": self.by, "created": self.created,
        }  # fmt: skip

    def encode(self) -> bytes:
        return json.dumps(self.public(), separators=(",", ":"), ensure_ascii=False).encode()

    @staticmethod
    def decode(value: bytes) -> StoredOverride:
        found = json.loads(value)
        return StoredOverride(
            found["id"], found["limit"], found["subject"], found["amount"], found["until"], found["reason"],
            found["createdBy"], found["created"],
        )  # fmt: skip

    def compiled(self, rule: Rule) -> Override:
        """What it is for this rule. Raises ValueError where the amount can't be read or the subject does not fit."""
        for dimension in self.subject:
            if dimension not in rule.per:
                raise ValueError(f"subject: the limit '{rule.name}' is not per {dimension}")
        amount = None if self.amount is None else decode_amount(rule.measure, self.amount)
        return Override(self.subject, amount, self.until)


class OverrideBook:
    """The overrides of a store: making, changing and ending them. Every change is written to the audit log."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> list[tuple[StoredOverride, int]]:
        found, after = [], ""
        while page := await self._store.scan(PREFIX, after=after, limit=_PAGE):
            found += [_read(document) for document in page]
            after = page[-1].key
        return found

    async def page(self, *, after: str = "", limit: int = 100) -> list[tuple[StoredOverride, int]]:
        start = PREFIX + after if after else ""
        return [_read(document) for document in await self._store.scan(PREFIX, after=start, limit=limit)]

    async def get(self, override_id: str) -> tuple[StoredOverride, int]:
        """An override and its version. Raises UnknownOverride."""
        document = await self._store.get(PREFIX + override_id)
        if document is None:
            raise UnknownOverride(override_id)
        return _read(document)

    async def create(self, rule: Rule, wanted: Mapping[str, Any], *, by: str, source: str) -> StoredOverride:
        """Raises ValueError where it does not fit the rule."""
        made = StoredOverride(
            secrets.token_hex(8),
            rule.name,
            dict(wanted.get("subject") or {}),
            None if wanted.get("amount") is None else str(wanted["amount"]),
            wanted.get("until"),
            str(wanted.get("reason") or ""),
            by,
            time.time(),
        )
        with_overrides(rule, [made.compiled(rule)])
        async with self._audited("override.create", by, source, None, made):
            await self._store.put(PREFIX + made.id, made.encode(), expected=0)
        return made

    async def delete(self, override_id: str, *, expected: int | None, by: str, source: str) -> None:
        """Raises UnknownOverride, and Conflict where it has another version than `expected`."""
        before, version = await self.get(override_id)
        if expected is not None and expected != version:
            raise Conflict(f"{override_id} has version {version}, not {expected}")
        async with self._audited("override.delete", by, source, before, None):
            if not await self._store.delete(PREFIX + override_id, expected=version):
                raise UnknownOverride(override_id)

    def _audited(
        self, action: str, by: str, source: str, before: StoredOverride | None, after: StoredOverride | None
    ) -> AbstractAsyncContextManager[None]:
        known = after or before
        assert known is not None
        shown = [None if each is None else each.public() for each in (before, after)]
        subject = f"override:{known.id}"
        return audited(self._store, action, subject, by=by, source=source, before=shown[0], after=shown[1])


class LiveRules:
    """The limits of the configuration with the overrides of the store, which a task follows. `rules` is what counts
    now; where the store can't be reached it stays what it was."""

    def __init__(self, rules: Sequence[Rule], store: Store) -> None:
        self._configured = tuple(rules)
        self._book = OverrideBook(store)
        self._store = store
        self._watcher: asyncio.Task[None] | None = None
        self.rules = self._configured

    def start(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            await end_tasks(watcher)

    async def load(self) -> None:
        """Reads the overrides of the store. Raises StoreError."""
        now = time.time()
        found = [each for each, _ in await self._book.all() if each.until is None or each.until > now]
        self.rules = tuple(_overridden(rule, found) for rule in self._configured)

    async def _watch(self) -> None:
        while True:
            try:
                async for change in self._store.changes():
                    if change.keys is None or any(key.startswith(PREFIX) for key in change.keys):
                        await self.load()
            except StoreError:
                pass
            except Exception:
                log.exception("the store's changes can't be followed; overrides may be late")
            await asyncio.sleep(_RETRY_SECONDS)


def _overridden(rule: Rule, stored: Sequence[StoredOverride]) -> Rule:
    for each in sorted(stored, key=lambda one: one.created):
        if each.limit != rule.name:
            continue
        try:
            rule = with_overrides(rule, [each.compiled(rule)])
        except ValueError as error:  # the limit was edited since
            log.warning("the override %s of the limit '%s' does not fit it any more: %s", each.id, rule.name, error)
    return rule


def _read(document: Document) -> tuple[StoredOverride, int]:
    return StoredOverride.decode(document.value), document.version
