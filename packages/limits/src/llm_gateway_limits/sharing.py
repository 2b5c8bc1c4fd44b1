"""What a provider has left of its rates, shared out: requests wait in turn, by weight, instead of meeting its 429.

Nothing is configured but that they wait and for how long: the rates are those that the provider reports with each reply
(`llm_gateway_sdk.upstream_quota`). Each worker learns them from its own replies.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk import GatewayServices, RequestContext, RequestRejected
from llm_gateway_sdk.upstream_quota import Need, UpstreamQuota

from .estimates import Usage
from .queueing import FairQueue, weight_of
from .records import Records
from .rules import Asker

__all__ = ["UpstreamShares"]

_TAKEN = "llm_gateway_limits.upstream"
_STEP_SECONDS = 1.0
"""A reply may report more than was expected: who waits looks again after this time."""
_SHORTEST_SECONDS = 0.005


class UpstreamShares:
    def __init__(
        self, services: GatewayServices, records: Records, weights: Mapping[str, float], longest_seconds: float
    ) -> None:
        """`weights` are those of teams, users and keys, by their names; 1 where one is not named."""
        self._services = services
        self._records = records
        self._weights = weights
        self._longest = longest_seconds
        self._queues: dict[str, FairQueue] = {}

    @classmethod
    def configured(
        cls, config: Mapping[str, Any], services: GatewayServices, records: Records
    ) -> UpstreamShares | None:
        """As the plugin's settings have it; None where they do not."""
        queue = config.get("upstreamQueue")
        if queue is None:
            return None
        return cls(services, records, config.get("weights", {}), float(queue.get("timeout", 30_000)) / 1000)

    async def admit(self, ctx: RequestContext, asker: Asker, model: str | None, usage: Usage) -> None:
        """Returns when the request may be sent to the model. Raises RequestRejected where that takes too long."""
        quota = self._services.upstream_quota(model)
        if quota is None:
            return
        self.release(ctx)  # of the model that failed before
        name = self._services.model_name(model or "") or model or ""
        need = _need(usage)
        queue = self._queues.get(name)
        if (queue is None or queue.idle) and quota.wait(need, time.time()) <= 0:
            self._take(ctx, quota, need)
            return
        began = time.monotonic()
        try:
            await self._wait(ctx, asker, name, quota, need)
        finally:
            self._records.waited(ctx, time.monotonic() - began)

    def release(self, ctx: RequestContext) -> None:
        """The request is not on its way to a provider any more."""
        quota: UpstreamQuota | None = ctx.plugin_data.pop(_TAKEN, None)
        if quota is not None:
            quota.release(id(ctx), time.time())

    def _take(self, ctx: RequestContext, quota: UpstreamQuota, need: Need) -> None:
        quota.take(id(ctx), need, time.time())
        ctx.plugin_data[_TAKEN] = quota

    async def _wait(self, ctx: RequestContext, asker: Asker, name: str, quota: UpstreamQuota, need: Need) -> None:
        until = time.monotonic() + self._longest
        queue = self._queues.setdefault(name, FairQueue())
        who, weight = weight_of(asker, self._weights)
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._longest):
                    await stack.enter_async_context(queue.turn(who, weight=weight))
                while (wait := quota.wait(need, time.time())) > 0:
                    if time.monotonic() + wait > until:
                        raise _refusal(name, wait)
                    await asyncio.sleep(min(max(wait, _SHORTEST_SECONDS), _STEP_SECONDS))
                # Before the next one has its turn.
                self._take(ctx, quota, need)
        except TimeoutError:
            raise _refusal(name, max(1.0, quota.wait(need, time.time()))) from None
        finally:
            if queue.idle and self._queues.get(name) is queue:
                del self._queues[name]


def _need(usage: Usage) -> Need:
    incoming, outgoing = usage.input_tokens, usage.output_tokens or 0
    return {"requests": 1, "tokens": incoming + outgoing, "input-tokens": incoming, "output-tokens": outgoing}


def _refusal(model: str, wait: float) -> RequestRejected:
    return RequestRejected(
        f"The provider of the model '{model}' reports that its rate limit is used up, and more requests wait for it "
        "than can be sent in time.",
        status=429,
        code="rate_limit_exceeded",
        kind="rate_limit",
        retry_after=wait,
        limit="upstream",
    )
