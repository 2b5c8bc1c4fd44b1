"""The same question gets the same answer, without asking the model again.

```yaml
availablePlugins: [{path: ./response_cache.py}]
plugins:
  - {name: cache, type: response-cache, config: {ttl: 10m}}
```
"""

import copy
import hashlib
import time
from collections import OrderedDict
from typing import Any

from llm_gateway_sdk import LLMResponse, Plugin, PluginResult, RequestContext, plugin_metadata


@plugin_metadata(
    name="response-cache",
    description="Answers repeated questions from memory",
    configuration_schema={
        "type": "object",
        "properties": {
            "ttl": {"type": "number", "x-duration": True, "default": 600000, "description": "How long one is kept."},
            "entries": {"type": "integer", "minimum": 1, "default": 1000, "description": "How many are kept."},
        },
        "additionalProperties": False,
    },
)
class ResponseCache(Plugin):
    operations = frozenset({"generate"})

    async def configure(self, config: Any) -> None:
        self._ttl: float = config.get("ttl", 600_000) / 1000
        self._entries: int = config.get("entries", 1000)
        self._known: OrderedDict[str, tuple[float, LLMResponse]] = OrderedDict()

    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        request = copy.copy(ctx.request)
        request.stream = False  # streamed or not, it is the same question
        key = hashlib.sha256(f"{ctx.caller}\0{request!r}".encode()).hexdigest()
        made, response = self._known.get(key, (0.0, None))
        if response is None or time.monotonic() - made > self._ttl:
            ctx.plugin_data["cache_key"] = key
            ctx.reply_headers["x-cache"] = "miss"
            return None
        ctx.response = copy.deepcopy(response)
        ctx.reply_headers["x-cache"] = "hit"
        return PluginResult(terminate=True)

    def detached_after_response(self, ctx: RequestContext) -> None:
        # Here the reply is whole, streamed or not, and no client waits.
        key, response = ctx.plugin_data.get("cache_key"), ctx.response
        if key is None or response is None or ctx.error is not None:
            return
        self._known[key] = (time.monotonic(), copy.deepcopy(response))
        if len(self._known) > self._entries:
            self._known.popitem(last=False)
