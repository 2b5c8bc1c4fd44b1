"""A share of the callers gets another model; the same caller always the same one.

```yaml
availablePlugins: [{path: ./ab_experiment.py}]
plugins:
  - {name: trial, type: ab-experiment, config: {control: gpt, variant: claude, percentage: 10}}
```
"""

import hashlib
from typing import Any

from llm_gateway_sdk import Plugin, RequestContext, plugin_metadata

MODEL = {"type": "string", "x-llm-gateway-ref": "model"}  # a name that the gateway checks at start


@plugin_metadata(
    name="ab-experiment",
    description="Sends a share of the callers to another model",
    configuration_schema={
        "type": "object",
        "properties": {
            "control": {**MODEL, "description": "The model of arm A."},
            "variant": {**MODEL, "description": "The model of arm B."},
            "percentage": {"type": "number", "minimum": 0, "maximum": 100, "description": "How many get arm B."},
        },
        "required": ["control", "variant", "percentage"],
        "additionalProperties": False,
    },
)
class ABExperiment(Plugin):
    operations = frozenset({"generate"})

    async def configure(self, config: Any) -> None:
        self._control, self._variant = config["control"], config["variant"]
        self._share: float = config["percentage"] / 100

    def before_model(self, ctx: RequestContext) -> None:
        who = ctx.caller or ctx.client_ip or ""
        digest = hashlib.sha256(f"{self._control}\0{self._variant}\0{who}".encode()).digest()
        in_variant = int.from_bytes(digest[:8], "big") / 2**64 < self._share
        ctx.target_model = self._variant if in_variant else self._control
        ctx.metadata["experiment"] = ctx.reply_headers["x-experiment"] = "B" if in_variant else "A"
