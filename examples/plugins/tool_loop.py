"""Tools that the gateway runs: the model calls them, the client sees the final answer alone.

```yaml
availablePlugins: [{path: ./tool_loop.py}]
plugins:
  - {name: tools, type: tool-loop}
```

Each round is a follow-up, so `maxTurns` bounds them. A reply that also calls a tool of the client's goes to the client.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from llm_gateway_sdk import (
    Message,
    Plugin,
    PluginResult,
    RequestContext,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    plugin_metadata,
)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def add(a: float, b: float) -> float:
    return a + b


NUMBERS = {"a": {"type": "number"}, "b": {"type": "number"}}
TOOLS: dict[str, tuple[Tool, Callable[..., Any]]] = {
    "today": (Tool("today", "The date of today.", {"type": "object", "properties": {}}), today),
    "add": (Tool("add", "Adds two numbers.", {"type": "object", "properties": NUMBERS, "required": ["a", "b"]}), add),
}


@plugin_metadata(name="tool-loop", description="Runs tools on behalf of the client")
class ToolLoop(Plugin):
    operations = frozenset({"generate"})
    edits_request = True
    on_stream = "whole"  # whether a reply is the last one is known at its end

    def before_model(self, ctx: RequestContext) -> None:
        theirs = {tool.name for tool in ctx.request.tools}
        ctx.request.tools += [tool for name, (tool, _) in TOOLS.items() if name not in theirs]
        ctx.attempt_data["tool_loop"] = set(TOOLS) - theirs

    def after_model(self, ctx: RequestContext) -> PluginResult | None:
        assert ctx.response is not None  # in after_model there always is one
        calls = ctx.response.tool_calls
        ours = ctx.attempt_data["tool_loop"]
        if not calls or any(call.name not in ours for call in calls):
            return None
        return ctx.follow_up([ctx.response.message, Message("tool", [self._run(call) for call in calls])])

    def _run(self, call: ToolCallPart) -> ToolResultPart:
        try:
            result = TOOLS[call.name][1](**json.loads(call.arguments or "{}"))
        except (ValueError, TypeError) as error:  # the model may try again
            return ToolResultPart(call.id, [TextPart(str(error))], is_error=True, name=call.name)
        return ToolResultPart(call.id, [TextPart(json.dumps(result))], name=call.name)
