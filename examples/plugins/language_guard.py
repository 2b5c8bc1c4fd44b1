"""Unwanted words are starred out, in streams too: text waits until its last word is complete.

```yaml
availablePlugins: [{path: ./language_guard.py}]
plugins:
  - {name: guard, type: language-guard, config: {words: [darn, heck]}}
```
"""

import re
from typing import Any

from llm_gateway_sdk import LLMResponse, Plugin, PluginResult, RequestContext, TextPart, plugin_metadata


@plugin_metadata(
    name="language-guard",
    description="Stars out words",
    configuration_schema={
        "type": "object",
        "properties": {
            "words": {"type": "array", "items": {"type": "string", "pattern": r"^\w+$"}, "minItems": 1},
        },
        "required": ["words"],
        "additionalProperties": False,
    },
)
class LanguageGuard(Plugin):
    operations = frozenset({"generate"})

    async def configure(self, config: Any) -> None:
        self._bad = re.compile(rf"\b(?:{'|'.join(config['words'])})\b", re.IGNORECASE)

    def after_model(self, ctx: RequestContext) -> None:
        assert ctx.response is not None  # in after_model there always is one
        ctx.response.map_text(self._clean)

    def after_chunk(self, ctx: RequestContext) -> PluginResult | None:
        assert ctx.buffered_chunk is not None  # in after_chunk there always is one
        # What is held back comes again with the next chunk in `buffered_chunk`; the last chunk lets everything go.
        if _ends_within_a_word(ctx.buffered_chunk) and not ctx.final_chunk:
            return PluginResult(emit_chunk=False)
        ctx.buffered_chunk.map_text(self._clean)
        return None

    def _clean(self, text: str) -> str:
        return self._bad.sub(lambda match: "*" * len(match[0]), text)


def _ends_within_a_word(chunk: LLMResponse) -> bool:
    return any(
        isinstance(part, TextPart) and re.search(r"\w\Z", part.text)
        for choice in chunk.choices
        for part in choice.message.content
    )
