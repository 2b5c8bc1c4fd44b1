"""The model never sees an e-mail address, and the client never sees that: placeholders go in, addresses come out.

```yaml
availablePlugins: [{path: ./pii_vault.py}]
plugins:
  - {name: vault, type: pii-vault}
```
"""

import re

from llm_gateway_sdk import (
    LLMResponse,
    Plugin,
    PluginResult,
    RequestContext,
    TextKind,
    TextPart,
    ToolCallPart,
    plugin_metadata,
)

ADDRESS = re.compile(r"[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+")
PLACEHOLDER = re.compile(r"<address-\d+>")
BEGINNING = re.compile(r"<(?:a(?:d(?:d(?:r(?:e(?:s(?:s(?:-\d{0,6})?)?)?)?)?)?)?)?\Z")
OUTWARD: tuple[TextKind, ...] = ("assistant", "tool_arguments")


@plugin_metadata(name="pii-vault", description="Keeps e-mail addresses from the model, and gives them back")
class PIIVault(Plugin):
    operations = frozenset({"generate", "count_tokens"})
    edits_request = True

    def before_model(self, ctx: RequestContext) -> None:
        # Numbered by first appearance: over the turns of a conversation an address keeps its placeholder.
        placeholders: dict[str, str] = {}

        def hide(text: str) -> str:
            return ADDRESS.sub(
                lambda match: placeholders.setdefault(match[0], f"<address-{len(placeholders) + 1}>"), text
            )

        ctx.request.map_text(hide, kinds=None)
        ctx.attempt_data["vault"] = {placeholder: address for address, placeholder in placeholders.items()}

    def after_model(self, ctx: RequestContext) -> None:
        assert ctx.response is not None
        self._restore(ctx, ctx.response)

    def after_chunk(self, ctx: RequestContext) -> PluginResult | None:
        assert ctx.buffered_chunk is not None
        if _ends_in_a_beginning(ctx.buffered_chunk) and not ctx.final_chunk:
            return PluginResult(emit_chunk=False)
        self._restore(ctx, ctx.buffered_chunk)
        return None

    def _restore(self, ctx: RequestContext, response: LLMResponse) -> None:
        vault: dict[str, str] = ctx.attempt_data["vault"]
        response.map_text(
            lambda text: PLACEHOLDER.sub(lambda match: vault.get(match[0], match[0]), text), kinds=OUTWARD
        )


def _ends_in_a_beginning(chunk: LLMResponse) -> bool:
    """Whether a text ends in what may become a placeholder."""
    texts = [
        part.text if isinstance(part, TextPart) else part.arguments
        for choice in chunk.choices
        for part in choice.message.content
        if isinstance(part, TextPart | ToolCallPart)
    ]
    return any(BEGINNING.search(text) for text in texts)
