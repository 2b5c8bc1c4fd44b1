"""What a client asks of a model, in one form for all dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

from .parts import CacheHint, Part, ProviderMetadata, RefusalPart, TextPart, ToolCallPart
from .texts import TextKind, TextPlace, map_places, walk_message, walk_value
from .values import Value, field

__all__ = ["LLMRequest", "Message", "OpaqueTool", "Reasoning", "ResponseFormat", "Tool", "ToolChoice", "ToolLike"]


class Message(Value):
    """One turn.

    `role`: `system`, `developer`, `user`, `assistant`, `tool`, or `opaque` for an item without a role, which then holds
    exactly one OpaquePart. Tool results are in messages of role `tool` or `user`, as the client had them; encoders
    take both. System text before the conversation is a leading `system` message.
    """

    role: str = "user"
    content: list[Part] = field(default_factory=list)
    name: str | None = None
    provider_metadata: ProviderMetadata = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The message's text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        return [part for part in self.content if isinstance(part, ToolCallPart)]

    @property
    def refusal(self) -> str:
        return "".join(part.text for part in self.content if isinstance(part, RefusalPart))

    def texts(self, path: str = "message") -> Iterator[TextPlace]:
        """Every text of the message, thinking, tool arguments and tool results included."""
        return walk_message(self, path)


class Tool(Value):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments; None where the client gave none."""
    strict: bool | None = None
    kind: Literal["function", "custom"] = "function"
    format: dict[str, Any] | None = None
    """Custom tools: the grammar of their free-text input, in OpenAI's flat form `{type, syntax, definition}`."""
    namespace: str | None = None
    cache: CacheHint | None = None
    provider_metadata: ProviderMetadata = field(default_factory=dict)


class OpaqueTool(Value):
    """A tool that only its own dialect understands: web search, code execution, computer use and the like."""

    dialect: str
    data: dict[str, Any]
    name: str | None = None
    cache: CacheHint | None = None
    provider_metadata: ProviderMetadata = field(default_factory=dict)


ToolLike: TypeAlias = Tool | OpaqueTool


class ToolChoice(Value):
    """`auto`, `none`, `required` (any tool), `tool` (the one called `name`), `allowed` (one of `names`)."""

    mode: Literal["auto", "none", "required", "tool", "allowed", "opaque"] = "auto"
    name: str | None = None
    names: list[str] = field(default_factory=list)
    allowed_mode: Literal["auto", "required"] = "auto"
    """With `allowed`: whether a tool must be called."""
    kind: Literal["function", "custom"] = "function"
    provider_metadata: ProviderMetadata = field(default_factory=dict)


class ResponseFormat(Value):
    """`text`, `json_object` (any JSON) or `json_schema`."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    provider_metadata: ProviderMetadata = field(default_factory=dict)


class Reasoning(Value):
    """How much the model should think.

    `effort`: none, minimal, low, medium, high, xhigh, max. `budget_tokens`: the upper bound where a dialect counts.
    `enabled` None means that the client did not say. `mode` is the vendor's word (Anthropic `thinking.type`).
    `summary` asks for visible reasoning: OpenAI `auto|concise|detailed`, Anthropic `display`, Gemini `includeThoughts`.
    """

    effort: str | None = None
    budget_tokens: int | None = None
    enabled: bool | None = None
    mode: str | None = None
    summary: str | None = None
    provider_metadata: ProviderMetadata = field(default_factory=dict)


class LLMRequest(Value):
    model: str = ""
    messages: list[Message] = field(default_factory=list)
    tools: list[ToolLike] = field(default_factory=list)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    """Upper bound of the answer in tokens, thinking included."""
    temperature: float | None = None
    """On OpenAI's scale, 0 to 2."""
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] = field(default_factory=list)
    seed: int | None = None
    n: int | None = None
    """How many answers (choices) are wanted."""
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    verbosity: str | None = None
    user: str | None = None
    """The end user's id: OpenAI `safety_identifier` or `user`, Anthropic `metadata.user_id`."""
    service_tier: str | None = None
    cache_key: str | None = None
    """OpenAI `prompt_cache_key`."""
    cache: CacheHint | None = None
    """A hint for the whole request: Anthropic's top-level `cache_control`."""
    store: bool | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    """OpenAI `metadata`, Bedrock `requestMetadata`."""
    stream: bool = False
    provider_metadata: ProviderMetadata = field(default_factory=dict)

    @property
    def system(self) -> str:
        """The text of the leading system messages."""
        texts = []
        for message in self.messages:
            if message.role not in ("system", "developer"):
                break
            texts.append(message.text)
        return "\n\n".join(texts)

    def texts(self) -> Iterator[TextPlace]:
        """Every string that may carry words, wherever it is in the request (see `texts.py`)."""
        yield from walk_value(self, "")

    def map_text(
        self, change: Callable[[str], str], *, kinds: tuple[TextKind, ...] | None = ("system", "user", "assistant")
    ) -> None:
        """Applies `change` to each text of the given kinds; None means all, tool arguments (JSON text) included."""
        map_places(self.texts(), change, kinds)
