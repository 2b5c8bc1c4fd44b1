"""Reports what a reply has cost, in a header and for other plugins.

```yaml
availablePlugins: [{path: ./cost_header.py}]
plugins:
  - name: cost
    type: cost-header
    config: {prices: {gpt: {input: 2.5, output: 10}}}      # dollars per million tokens
```

The headers of a stream leave before its cost is known: there it is in `ctx.metadata["cost"]` alone, for tracers.
"""

from typing import Any

from llm_gateway_sdk import Plugin, RequestContext, plugin_metadata

PRICE = {"type": "number", "minimum": 0}


@plugin_metadata(
    name="cost-header",
    description="Reports the cost of a reply in the header x-cost",
    configuration_schema={
        "type": "object",
        "properties": {
            "prices": {
                "type": "object",
                "description": "Dollars per million tokens, by the configured model's name.",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"input": PRICE, "output": PRICE},
                    "required": ["input", "output"],
                },
            },
        },
        "required": ["prices"],
        "additionalProperties": False,
    },
)
class CostHeader(Plugin):
    operations = frozenset({"generate"})

    def after_model(self, ctx: RequestContext) -> None:
        if ctx.response is not None:
            self._tell(ctx, ctx.response.usage)

    def after_chunk(self, ctx: RequestContext) -> None:
        if ctx.chunk is not None and ctx.chunk.usage is not None:
            self._tell(ctx, ctx.chunk.usage)

    def _tell(self, ctx: RequestContext, usage: Any) -> None:
        price = self.config["prices"].get(ctx.attempts[-1].model) if ctx.attempts else None
        if price is None or usage is None:
            return
        millionths = (usage.input_tokens or 0) * price["input"] + (usage.output_tokens or 0) * price["output"]
        ctx.metadata["cost"] = millionths / 1_000_000
        ctx.reply_headers["x-cost"] = f"{millionths / 1_000_000:.6f}"
