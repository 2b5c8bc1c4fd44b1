"""Canned answers in the model's place, for demonstrations and load tests.

```yaml
availablePlugins: [{path: ./mock_model.py}]
plugins:
  - name: mock
    type: mock-model
    config: {answers: [{match: weather, reply: "Fair."}, {match: "", reply: "I don't know."}]}
```
"""

import re
from typing import Any

from llm_gateway_sdk import (
    Choice,
    LLMResponse,
    Message,
    Plugin,
    PluginResult,
    RequestContext,
    TextPart,
    plugin_metadata,
)


@plugin_metadata(
    name="mock-model",
    description="Answers in the model's place",
    configuration_schema={
        "type": "object",
        "properties": {
            "answers": {
                "type": "array",
                "description": "The first whose pattern is in the last message answers; without one the model does.",
                "items": {
                    "type": "object",
                    "properties": {"match": {"type": "string", "format": "regex"}, "reply": {"type": "string"}},
                    "required": ["match", "reply"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["answers"],
        "additionalProperties": False,
    },
)
class MockModel(Plugin):
    operations = frozenset({"generate"})

    async def validate_config(self, config: Any) -> bool | str:
        for position, answer in enumerate(config["answers"]):
            try:
                re.compile(answer["match"])
            except re.error as error:
                return f"answers[{position}].match: {error}"
        return True

    def before_model(self, ctx: RequestContext) -> PluginResult | None:
        asked = ctx.request.messages[-1].text if ctx.request.messages else ""
        for answer in self.config["answers"]:
            if re.search(answer["match"], asked, re.IGNORECASE):
                message = Message("assistant", [TextPart(answer["reply"], index=0)])
                ctx.response = LLMResponse(f"mock-{ctx.request_id}", "mock", choices=[Choice(0, message, "stop")])
                return PluginResult(terminate=True)
        return None
