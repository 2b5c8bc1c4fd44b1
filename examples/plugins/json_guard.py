"""Answers are JSON by a schema, or the model gets the error and is asked again.

```yaml
availablePlugins: [{path: ./json_guard.py}]
plugins:
  - name: guard
    type: json-guard
    config:
      attempts: 2
      schema: {type: object, required: [city], properties: {city: {type: string}}}
```
"""

import json
from typing import Any

import jsonschema

from llm_gateway_sdk import Message, Plugin, PluginResult, RequestContext, TextPart, plugin_metadata


@plugin_metadata(
    name="json-guard",
    description="Asks again until the answer is JSON by a schema",
    configuration_schema={
        "type": "object",
        "properties": {
            "schema": {"type": "object", "description": "JSON Schema of the answer."},
            "attempts": {"type": "integer", "minimum": 0, "default": 2, "description": "How often to ask again."},
        },
        "required": ["schema"],
        "additionalProperties": False,
    },
)
class JsonGuard(Plugin):
    operations = frozenset({"generate"})
    on_stream = "whole"  # a stream is held until its end, judged, then sent

    async def configure(self, config: Any) -> None:
        self._validator = jsonschema.Draft202012Validator(config["schema"])
        self._attempts: int = config.get("attempts", 2)

    def after_model(self, ctx: RequestContext) -> PluginResult | None:
        reply = ctx.response
        if reply is None or reply.tool_calls:
            return None
        wrong = self._wrong(reply.text)
        if wrong is None:
            return None
        if ctx.turn_count >= self._attempts:
            return PluginResult(success=False, status=502, error=f"The model gave no valid JSON: {wrong}")
        correction = Message(
            "user", [TextPart(f"That is not valid: {wrong}. Answer again, with the JSON and nothing else.")]
        )
        return ctx.follow_up([reply.message, correction])

    def _wrong(self, text: str) -> str | None:
        try:
            value = json.loads(text)
        except ValueError as error:
            return f"no JSON ({error})"
        wrong = jsonschema.exceptions.best_match(self._validator.iter_errors(value))
        return wrong.message if wrong else None
