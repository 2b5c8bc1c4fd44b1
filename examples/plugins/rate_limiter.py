"""So many requests per minute for each caller.

```yaml
availablePlugins: [{path: ./rate_limiter.py}]
plugins:
  - {name: limit, type: rate-limiter, config: {perMinute: 60}}
```

Place it after authentication: callers without a name are counted by address. Counts are per worker process.
"""

import time
from typing import Any

from llm_gateway_sdk import Plugin, PluginResult, RequestContext, RequestRejected, plugin_metadata


@plugin_metadata(
    name="rate-limiter",
    description="Limits requests per caller",
    configuration_schema={
        "type": "object",
        "properties": {"perMinute": {"type": "number", "exclusiveMinimum": 0, "description": "Requests per minute."}},
        "required": ["perMinute"],
        "additionalProperties": False,
    },
)
class RateLimiter(Plugin):
    clock = staticmethod(time.monotonic)

    async def configure(self, config: Any) -> None:
        self._rate: float = config["perMinute"] / 60
        self._size: float = max(1.0, config["perMinute"])
        self._buckets: dict[str, tuple[float, float]] = {}  # caller: (requests left, as of when)

    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        if ctx.retry_count or ctx.turn_count:
            return None  # another round of a request that was let in
        who, now = ctx.caller or ctx.client_ip or "", self.clock()
        left, since = self._buckets.pop(who, (self._size, now))
        left = min(self._size, left + (now - since) * self._rate)
        self._buckets[who] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > 10_000:
            del self._buckets[next(iter(self._buckets))]  # the caller that has been away longest
        if left >= 1:
            return None
        wait = (1 - left) / self._rate
        error = RequestRejected("Too many requests.", status=429, code="rate_limit_exceeded", retry_after=wait)
        return PluginResult(success=False, error=error)
