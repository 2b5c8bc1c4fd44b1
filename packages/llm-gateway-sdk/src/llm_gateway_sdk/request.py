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
    """Who speaks."""
    content: list[Part] = field(default_factory=list)
    """Typed parts, in order; never bare text."""
    name: str | None = None
    """The speaker's name, where the client gave one."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""

    @property
    def text(self) -> str:
        """The message's text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        """The tool calls of the message, in order."""
        return [part for part in self.content if isinstance(part, ToolCallPart)]

    @property
    def refusal(self) -> str:
        """The message's refusals, joined."""
        return "".join(part.text for part in self.content if isinstance(part, RefusalPart))

    def texts(self, path: str = "message") -> Iterator[TextPlace]:
        """Every text of the message, thinking, tool arguments and tool results included."""
        return walk_message(self, path)


class Tool(Value):
    """A tool that the client runs, as it is described to the model."""

    name: str
    """By which the model calls it."""
    description: str | None = None
    """For the model."""
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments; None where the client gave none."""
    strict: bool | None = None
    """The model must keep to `parameters`; None where the client did not say."""
    kind: Literal["function", "custom"] = "function"
    """`function` takes JSON, `custom` free text."""
    format: dict[str, Any] | None = None
    """Custom tools: the grammar of their free-text input, in OpenAI's flat form `{type, syntax, definition}`."""
    namespace: str | None = None
    """The group of tools that it belongs to (Responses)."""
    cache: CacheHint | None = None
    """The tools up to this one are to be cached."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""


class OpaqueTool(Value):
    """A tool that only its own dialect understands: web search, code execution, computer use and the like."""

    dialect: str
    """Name of the dialect that understands it."""
    data: dict[str, Any]
    """The vendor's JSON."""
    name: str | None = None
    """By which the model calls it, where it has a name."""
    cache: CacheHint | None = None
    """The tools up to this one are to be cached."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""


ToolLike: TypeAlias = Tool | OpaqueTool


class ToolChoice(Value):
    """`auto`, `none`, `required` (any tool), `tool` (the one called `name`), `allowed` (one of `names`)."""

    mode: Literal["auto", "none", "required", "tool", "allowed", "opaque"] = "auto"
    """Which of them; `opaque` is a vendor's own, in `provider_metadata`."""
    name: str | None = None
    """With `tool`: the one that must be called."""
    names: list[str] = field(default_factory=list)
    """With `allowed`: those that may be called."""
    allowed_mode: Literal["auto", "required"] = "auto"
    """With `allowed`: whether a tool must be called."""
    kind: Literal["function", "custom"] = "function"
    """With `tool`: what kind of tool it is."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""


class ResponseFormat(Value):
    """`text`, `json_object` (any JSON) or `json_schema`."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    """Which of them."""
    schema: dict[str, Any] | None = None
    """With `json_schema`: the JSON Schema of the answer."""
    name: str | None = None
    """With `json_schema`: the schema's name."""
    description: str | None = None
    """For the model: what the answer is for."""
    strict: bool | None = None
    """The answer must fit the schema; None where the client did not say."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""


class Reasoning(Value):
    """How much the model should think.

    `effort`: none, minimal, low, medium, high, xhigh, max. `budget_tokens`: the upper bound where a dialect counts.
    `enabled` None means that the client did not say. `mode` is the vendor's word (Anthropic `thinking.type`).
    `summary` asks for visible reasoning: OpenAI `auto|concise|detailed`, Anthropic `display`, Gemini `includeThoughts`.
    """

    effort: str | None = None
    """One of the words above; None where the client gave none."""
    budget_tokens: int | None = None
    """The most tokens to think."""
    enabled: bool | None = None
    """False asks for no thinking."""
    mode: str | None = None
    """For its own dialect."""
    summary: str | None = None
    """None where the client asked for none."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""


class LLMRequest(Value):
    """What a client asks of a model, whichever API it speaks. None is always: the client did not say."""

    model: str = ""
    """As the client named it; the provider's name is put in when the call is built."""
    messages: list[Message] = field(default_factory=list)
    """The conversation, oldest first. System text is in its leading messages."""
    tools: list[ToolLike] = field(default_factory=list)
    """What the model may call."""
    tool_choice: ToolChoice | None = None
    """Whether and which tools it must call."""
    parallel_tool_calls: bool | None = None
    """Several tools may be called in one turn."""
    max_tokens: int | None = None
    """Upper bound of the answer in tokens, thinking included."""
    temperature: float | None = None
    """On OpenAI's scale, 0 to 2."""
    top_p: float | None = None
    """0 to 1: sample from the likeliest tokens that together have this probability."""
    top_k: int | None = None
    """Sample from this many likeliest tokens."""
    stop: list[str] = field(default_factory=list)
    """Texts at which the answer ends; they are not part of it."""
    seed: int | None = None
    """For answers that repeat, where the model can."""
    n: int | None = None
    """How many answers (choices) are wanted."""
    frequency_penalty: float | None = None
    """-2 to 2: less of what occurred often."""
    presence_penalty: float | None = None
    """-2 to 2: less of what occurred at all."""
    logprobs: bool | None = None
    """Give the log probability of each token of the answer."""
    top_logprobs: int | None = None
    """With `logprobs`: of how many likeliest tokens in each place."""
    response_format: ResponseFormat | None = None
    """What form the answer must have."""
    reasoning: Reasoning | None = None
    """How much the model should think."""
    verbosity: str | None = None
    """`low`, `medium` or `high`: how long the answer should be."""
    user: str | None = None
    """The end user's id: OpenAI `safety_identifier` or `user`, Anthropic `metadata.user_id`."""
    service_tier: str | None = None
    """The vendor's word for price and speed, such as `flex` or `priority`."""
    cache_key: str | None = None
    """OpenAI `prompt_cache_key`."""
    cache: CacheHint | None = None
    """A hint for the whole request: Anthropic's top-level `cache_control`."""
    store: bool | None = None
    """Whether the vendor keeps the exchange for later reference."""
    metadata: dict[str, str] = field(default_factory=dict)
    """OpenAI `metadata`, Bedrock `requestMetadata`."""
    stream: bool = False
    """The client wants the answer in chunks."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""

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
