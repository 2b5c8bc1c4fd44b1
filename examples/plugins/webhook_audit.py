"""Reports every request to a webhook, after its reply has left.

```yaml
availablePlugins: [{path: ./webhook_audit.py}]
plugins:
  - {name: audit, type: webhook-audit, config: {url: "https://audit.example.com/llm"}}
```
"""

import logging
from typing import Any

from llm_gateway_sdk import Plugin, RequestContext, plugin_metadata

log = logging.getLogger(__name__)


@plugin_metadata(
    name="webhook-audit",
    description="Posts a line per request to a webhook",
    configuration_schema={
        "type": "object",
        "properties": {"url": {"type": "string", "pattern": "^https?://", "description": "Where to post."}},
        "required": ["url"],
        "additionalProperties": False,
    },
)
class WebhookAudit(Plugin):
    async def configure(self, config: Any) -> None:
        self._url: str = config["url"]
        self._http = self.gateway.http_client()  # over the gateway's own pool

    async def detached_after_response(self, ctx: RequestContext) -> None:
        line = {
            "request_id": ctx.request_id,
            "project": ctx.project,
            "caller": ctx.caller,
            "operation": ctx.operation,
            "model": ctx.attempts[-1].model if ctx.attempts else None,
            "status": ctx.metadata.get("status"),
            "error": str(ctx.error) if ctx.error else None,
            "input_tokens": ctx.metrics.input_tokens,
            "output_tokens": ctx.metrics.output_tokens,
            "duration_ms": ctx.metrics.duration_ms,
        }
        answer = await self._http.post(self._url, json=line, timeout=5.0)
        if answer.status_code >= 400:
            log.warning("the audit webhook answered %d for %s", answer.status_code, ctx.request_id)
