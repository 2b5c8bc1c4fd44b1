"""The audit log of the administration: who changed what, from where, before and after.

A change is written down before it is made, so that none is ever missing: one that can't be written down is not made,
whatever becomes of the process, of the store, or of the client that asked for it. One that was written down and then
failed is followed by an event that has it with its `outcome`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from .store import Conflict, Store, StoreError

__all__ = ["AUDIT_LOG", "audited"]

AUDIT_LOG = "audit"
"""The name of the log in the store."""


@asynccontextmanager
async def audited(
    store: Store,
    action: str,
    subject: str,
    *,
    by: str,
    source: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> AsyncIterator[None]:
    """Around the change itself. `before` and `after` are what may be shown of the subject, None where there is none.
    `by` is the name of who asks, `source` the address. Raises StoreError where it can't be written down."""
    event = {"action": action, "by": by, "from": source, "subject": subject, "before": before, "after": after}
    await store.append(AUDIT_LOG, [event])
    try:
        yield
    except BaseException as error:
        # A store that did not answer may have made the change, and so may one whose answer was not waited for.
        outcome = "not made" if isinstance(error, Conflict | ValueError | LookupError) else "unknown"
        with suppress(StoreError):
            await store.append(AUDIT_LOG, [{**event, "outcome": outcome}])
        raise
