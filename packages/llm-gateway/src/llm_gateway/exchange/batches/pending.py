"""Batches that have not been settled: what is kept of each in the gateway's store until it is.

    batches/<project>/<kind>/<owner>/<id>     a document with all that settling it takes, in any process

Any process of any gateway may settle any of them. It claims the document first, by writing it in the version that it
has read: of several that try one succeeds. A claim ends by itself, for who holds it may be killed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from llm_gateway_sdk import Conflict, Principal, RequestContext, Store
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.writable import writable

__all__ = ["PendingBatch", "PendingBatches", "principal_of", "written_principal"]


@dataclass(slots=True)
class PendingBatch:
    """Times are seconds since the epoch."""

    id: str
    """The client's."""
    kind: str
    """Whose API the client spoke: the adapter and the operation, with a point between."""
    owner: str
    model: str
    """The configured model whose provider has it."""
    api: str
    """The name of that provider's batch API."""
    upstream_id: str
    """The provider's."""
    request_id: str
    """Of the submission."""
    adapter: str = ""
    client_dialect: str = ""
    client_ip: str | None = None
    path: str = ""
    caller: str | None = None
    principal: dict[str, Any] | None = None
    shares: list[dict[str, Any]] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=dict)
    """What plugins hold for it, by their names."""
    created: float = 0.0
    due: float = 0.0
    """When its provider is asked next."""
    claimed: float = 0.0
    """Until when somebody is at work on it."""
    failures: int = 0
    """Times in a row that its provider could not be asked."""
    version: int = 0

    @property
    def batch(self) -> list[BatchShare]:
        return [BatchShare.of_json(each) for each in self.shares]


class PendingBatches:
    """Of one project."""

    def __init__(self, store: Callable[[], Store], project: str) -> None:
        self._store = store
        self._project = project
        self._used = False

    async def add(self, batch: PendingBatch) -> None:
        self._used = True
        batch.created = batch.created or time.time()
        batch.version = await self._store().put(self._key_of(batch), _dump(batch))

    async def find(self, kind: str, owner: str, id_: str) -> PendingBatch | None:
        document = await self._store().get(self._key(kind, owner, id_))
        return None if document is None else _load(document.value, document.version)

    async def due(self, now: float) -> AsyncIterator[PendingBatch]:
        """Those that are to be looked at. A store that does not exist yet is not made for it."""
        if not self._used and not self._store().exists():
            return
        prefix, after = f"batches/{self._project}/", ""
        while documents := await self._store().scan(prefix, after=after, limit=200):
            for document in documents:
                batch = _load(document.value, document.version)
                if batch.due <= now and batch.claimed <= now:
                    yield batch
            after = documents[-1].key

    async def claim(self, batch: PendingBatch, until: float) -> bool:
        """Whether it is this process's until then. A batch that somebody else has claimed or settled is not."""
        batch.claimed = until
        return await self._put(batch)

    async def release(self, batch: PendingBatch, due: float) -> None:
        """Gives a claimed one back, to be looked at from `due` on."""
        batch.claimed, batch.due = 0.0, due
        await self._put(batch)

    async def remove(self, batch: PendingBatch) -> bool:
        """Removes a claimed one; False where another process has taken it over meanwhile."""
        try:
            return await self._store().delete(self._key_of(batch), expected=batch.version)
        except Conflict:
            return False

    async def _put(self, batch: PendingBatch) -> bool:
        try:
            batch.version = await self._store().put(self._key_of(batch), _dump(batch), expected=batch.version)
        except Conflict:
            return False
        return True

    def _key_of(self, batch: PendingBatch) -> str:
        return self._key(batch.kind, batch.owner, batch.id)

    def _key(self, kind: str, owner: str, id_: str) -> str:
        return f"batches/{self._project}/{kind}/{owner}/{writable(id_)}"


def written_principal(ctx: RequestContext) -> dict[str, Any] | None:
    principal = ctx.principal
    return None if principal is None else {**asdict(principal), "labels": dict(principal.labels)}


_OF_PRINCIPALS = frozenset(each.name for each in fields(Principal))


def principal_of(written: Mapping[str, Any] | None) -> Principal | None:
    if written is None:
        return None
    known = {name: written[name] for name in written if name in _OF_PRINCIPALS}
    for name in ("models", "projects"):
        if known.get(name) is not None:
            known[name] = tuple(known[name])
    return Principal(**known)


def _dump(batch: PendingBatch) -> bytes:
    return json.dumps({key: value for key, value in asdict(batch).items() if key != "version"})


def _load(value: bytes, version: int) -> PendingBatch:
    written = json.loads(value)
    return PendingBatch(**{key: written[key] for key in written if key in PendingBatch.__slots__}, version=version)
