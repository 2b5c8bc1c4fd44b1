"""Settles batches: asks their providers how far they are, and books what those that have ended did use.

                     ┌──── not yet: due again ────┐
                     ▼                            │
    submitted ──▶ pending ──claim──▶ status ──────┤
                                                  └─ ended ──▶ results counted ──▶ plugins settle ──▶ removed, booked

It works once for each batch over any number of gateways and workers, whatever of them is killed and when:

* what is needed is in the store, and the process that submitted the batch is not;
* a batch is claimed before its provider is asked; a claim of a process that was killed ends by itself;
* plugins settle by what they have held, which they do once however often they are asked;
* who has removed the batch from the store publishes it to metrics and traces; only one can.

A batch whose use is unknown, because its provider does not know it any more, is charged with what was reserved for
it. Providers that are called with their clients' own credentials can only be asked when a client of theirs asks; what
was reserved for their batches ends, and is charged, after two days.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from contextlib import suppress

from llm_gateway_sdk import (
    Attempt,
    DialectError,
    GatewayError,
    HTTPProvider,
    HTTPReply,
    ModelError,
    ModelHTTPError,
    PluginError,
    RequestContext,
    StoreError,
    Usage,
)
from llm_gateway_sdk.background import end_tasks
from llm_gateway_sdk.deferral import settle
from llm_gateway_sdk.metering import add_attempt, record
from llm_gateway_sdk.operations.batch import BatchAPI, BatchStatus

from ...models import ModelTarget
from ..services import ProjectScope, Services
from .calls import ask
from .counting import Tally
from .pending import PendingBatch, PendingBatches, principal_of

__all__ = ["Settler"]

Used = dict[tuple[int, int], Usage]
"""What the lines have used, as in `Tally.used`."""

log = logging.getLogger("llm_gateway.batches")

_CLAIM_SECONDS = 900.0
_RESULT_SECONDS = 800.0
"""For reading results; less than the claim lasts."""
_LONGEST_WAIT = 900.0
_PATIENCE_SECONDS = 20.0
"""For who counts what a batch has used that is to be deleted."""
_GIVEN_UP_SECONDS = 30 * 86_400.0
"""After so long no provider has a batch any more."""
_UNKNOWN = (404, 410)
_MAX_STATUS_BYTES = 64 * 1024 * 1024


class Settler:
    """Of one project in one generation of the configuration. `apis` are those of the clients' own vendors."""

    def __init__(
        self, scope: ProjectScope, services: Services, pending: PendingBatches, apis: Mapping[str, BatchAPI]
    ) -> None:
        self.pending = pending
        self._scope = scope
        self._services = services
        self._apis = apis
        self._tasks: set[asyncio.Task[None]] = set()

    # When.

    async def run(self, interval: float) -> None:
        """Looks after the project's batches until it is cancelled; asks for the status of each at most once in
        `interval` seconds, of those that last long less often."""
        while True:
            await asyncio.sleep(interval * random.uniform(0.5, 1.0))  # workers start together
            try:
                async for batch in self.pending.due(time.time()):
                    await self._try(batch, interval)
            except StoreError as error:
                log.debug("the store can't be reached: %s", error)

    async def _try(self, batch: PendingBatch, interval: float, token: str | None = None) -> bool:
        """Looks at one batch, so that one which can't be settled holds up no other. False where somebody else is at
        it. Raises StoreError."""
        try:
            return await self.look_at(batch, interval, token)
        except StoreError:
            raise
        except Exception:  # of a plugin, or a fault here: tried again when the claim has ended
            log.exception("batch %s could not be settled", batch.id)
            return True

    def soon(self, kind: str, owner: str, id_: str, token: str | None = None) -> None:
        """A client has seen that its batch has ended, or is to: looks at it at once, in the background."""
        task = asyncio.get_running_loop().create_task(self.now(kind, owner, id_, token))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def now(self, kind: str, owner: str, id_: str, token: str | None = None) -> None:
        """Looks at one batch. Never raises; what fails is tried again later."""
        try:
            batch = await self.pending.find(kind, owner, id_)
            if batch is not None and batch.claimed <= time.time():
                await self._try(batch, 60.0, token)
        except StoreError as error:
            log.debug("the store can't be reached: %s", error)

    async def before_deletion(self, kind: str, owner: str, id_: str, token: str | None = None) -> None:
        """Looks at a batch whose results a client is about to delete, and waits for who is looking at it already, in
        this process or another: what it has used is read from its results. Raises GatewayError where that lasts,
        and StoreError."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while (batch := await self.pending.find(kind, owner, id_)) is not None:
            if batch.claimed <= time.time() and await self._try(batch, 60.0, token):
                return
            if time.monotonic() >= until:
                raise GatewayError(
                    f"What the batch '{id_}' has used is still being counted from its results. Delete it later.",
                    status=503,
                    kind="overloaded",
                    retry_after=10.0,
                )
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Waits for what is under way; what it does not end another process takes up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)
        await end_tasks(*self._tasks)

    # One batch.

    async def look_at(self, batch: PendingBatch, interval: float, token: str | None = None) -> bool:
        """Settles the batch if it has ended. False where somebody else is at it. Raises StoreUnavailable."""
        now = time.time()
        if not await self.pending.claim(batch, now + _CLAIM_SECONDS):
            return False
        due = now + _wait(batch, now, interval)
        try:
            if await self._settle(batch, token):
                return True
            batch.failures = 0
        except ModelError as error:
            batch.failures += 1
            log.info("batch %s: its provider could not be asked: %s", batch.id, error.message)
        except DialectError as error:
            batch.failures += 1
            log.warning("batch %s: its provider's reply is not what its API promises: %s", batch.id, error)
        except asyncio.CancelledError:
            with suppress(Exception):
                await self.pending.release(batch, now)
            raise
        await self.pending.release(batch, due)
        return True

    async def _settle(self, batch: PendingBatch, token: str | None) -> bool:
        """False where it is to be looked at again. Raises ModelError, DialectError."""
        target = self._scope.registry.find(batch.model)
        http = None if target is None else target.http
        api = None if http is None else self._api(http, batch)
        too_old = time.time() - batch.created > _GIVEN_UP_SECONDS
        used: Used | None = None
        if target is None or http is None or api is None:
            if not too_old:
                return False  # perhaps the next configuration has it again
        elif http.settings.credentials == "client" and token is None:
            if not too_old:
                return False
        else:
            try:
                status = await self._status(http, api, batch, token)
                if not status.is_final:
                    return too_old and await self._book(batch, target, None)
                used = await self._count(http, api, batch, status, token)
            except ModelHTTPError as error:
                if error.status not in _UNKNOWN or (batch.failures < 3 and not too_old):
                    raise
        return await self._book(batch, target, used)

    def _api(self, http: HTTPProvider, batch: PendingBatch) -> BatchAPI | None:
        found = http.form_for("batch", batch.api, batch.model)
        if isinstance(found, BatchAPI) and found.name == batch.api:
            return found
        return self._apis.get(batch.api)

    async def _status(self, http: HTTPProvider, api: BatchAPI, batch: PendingBatch, token: str | None) -> BatchStatus:
        reply = await ask(http, api.status_request(batch.upstream_id), token=token)
        try:
            return api.decode_status(await reply.read(_MAX_STATUS_BYTES))
        finally:
            reply.close()

    async def _count(
        self, http: HTTPProvider, api: BatchAPI, batch: PendingBatch, status: BatchStatus, token: str | None
    ) -> Used:
        """What was used: of a batch that was cancelled or has expired, by the lines that were done."""
        prices = [
            self._scope.registry.prices_of_attempt(Attempt(share.model, f"/{share.provider_model}"))
            for share in batch.batch
        ]
        tally = Tally(api, batch.batch, self._services.dialects, self._services.mint, prices)
        if status.usage is not None and not tally.by_lines:
            tally.take_whole(status.usage)
            return tally.used
        for place in status.results:
            reply: HTTPReply = await ask(http, api.results_request(place), token=token, seconds=_RESULT_SECONDS)
            try:
                await tally.take(reply, self._services.max_reply_bytes)
            finally:
                reply.close()
        return tally.used

    async def _book(self, batch: PendingBatch, target: ModelTarget | None, used: Used | None) -> bool:
        """`used` None is unknown. Whether all that was held is settled."""
        ctx = self._context(batch, target, used)
        if not await settle(self._scope.chain.plugins, batch.held, ctx):
            return False
        if await self.pending.remove(batch):
            self._publish(ctx)
        return True

    # The books.

    def _context(self, batch: PendingBatch, target: ModelTarget | None, used: Used | None) -> RequestContext:
        """The request that the settlement is, for plugins, metrics and traces: one attempt for each model, or for each
        of its prices where lines have long inputs."""
        now = time.time()
        ctx = RequestContext(
            request_id=f"{batch.request_id}-settled",
            project=self._scope.name,
            adapter=batch.adapter,
            operation="batch",
            available_models=self._scope.registry.names,
            requested_model=next(iter(name for share in batch.batch for name in share.names), None),
            client_ip=batch.client_ip,
            client_dialect=batch.client_dialect,
            started=now,
        )
        ctx.caller = batch.caller
        principal = principal_of(batch.principal)
        if principal is not None:
            ctx.principal = principal
        ctx.batch = batch.batch
        ctx.metadata.update({"batch": batch.id, "submission": batch.request_id, "status": 200})
        provider = target.provider.name if target is not None else ""
        ctx.target_model_provider = provider or None
        for position, share in enumerate(ctx.batch):
            counted: list[Usage | None] = [None]
            if used is not None:
                counted = [usage for (place, _), usage in sorted(used.items(), key=_place) if place == position]
                counted = counted or [Usage(0, 0, service_tier="batch", requests=share.lines)]
            for usage in counted:
                entry = Attempt(share.model, f"{provider}/{share.provider_model}", now, ended=now, status=200)
                record(entry, usage)
                ctx.attempts.append(entry)
                add_attempt(ctx.metrics, entry)
        ctx.metrics.ended = now
        ctx.metrics.duration_ms = 0.0
        return ctx

    def _publish(self, ctx: RequestContext) -> None:
        services = self._services
        for observer in services.followers:
            observer.began(ctx)
            observer.attempt_began(ctx)
            observer.attempt_ended(ctx)
        for observer in services.observers:
            observer.ended(ctx, 200)
        try:
            chain = self._scope.chain.select(ctx)
        except PluginError as error:  # it is settled all the same
            log.error("batch %s has no record: %s", ctx.metadata["batch"], error.message)
            return
        if chain.detached:
            services.supervisor.submit(chain, ctx)


def _place(item: tuple[tuple[int, int], Usage]) -> tuple[int, int]:
    return item[0]


def _wait(batch: PendingBatch, now: float, interval: float) -> float:
    """Seconds until a batch is looked at again: a tenth of the time that it has taken so far, and longer where its
    provider fails."""
    age = max(0.0, now - batch.created)
    return max(interval, min(_LONGEST_WAIT, max(age / 10, interval * 2.0 ** min(batch.failures, 8) - interval)))
