"""Content: the typed parts of a message. Plain values without validation; `merge` rules are in `response.py`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from .values import Value, field

__all__ = [
    "CacheHint",
    "Citation",
    "MediaKind",
    "MediaPart",
    "OpaquePart",
    "Part",
    "PartFields",
    "ProviderMetadata",
    "RefusalPart",
    "TextPart",
    "ThinkingPart",
    "ToolCallPart",
    "ToolResultPart",
]

ProviderMetadata: TypeAlias = dict[str, dict[str, Any]]


class CacheHint(Value):
    """A cache breakpoint: Anthropic `cache_control`, Bedrock `cachePoint`, OpenAI `prompt_cache_breakpoint`."""

    ttl: str | None = None
    """As the client wrote it: `5m`, `1h`, `30m`, `12h`; None is the provider's default."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""


class Citation(Value):
    """Where a text came from: Anthropic `citations`, OpenAI `annotations`, Gemini grounding."""

    kind: str = "url"
    """`url`, `document`, `file`, `search_result` or the vendor's own word."""
    url: str | None = None
    """Address of the source."""
    title: str | None = None
    """Title of the source."""
    cited_text: str | None = None
    """The words of the source."""
    file_id: str | None = None
    """The vendor's id of the file that is cited."""
    start: int | None = None
    """First character of the citing text (OpenAI) that it belongs to."""
    end: int | None = None
    """The character after the last one."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """By dialect name, what there is no field for. A dialect writes only its own."""


class PartFields(Value, kw_only=True):
    """What every part has in addition to its content; given by name."""

    index: int | None = None
    """The part's place in the message, which links a fragment of a stream to its part; None in requests."""
    item_id: str | None = None
    """The vendor's id of the item that the part came from (Responses)."""
    signature: str | None = None
    """The proof that a provider wants back unchanged: of thinking, or of a tool call."""
    signed_by: str | None = None
    """Name of the dialect that issued `signature`."""
    cache: CacheHint | None = None
    """The part ends a prefix that is to be cached."""
    provider_metadata: ProviderMetadata = field(default_factory=dict)
    """Per dialect, what there is no field for. A dialect emits only its own."""


class TextPart(PartFields):
    """Words of a turn; in a chunk a fragment of them."""

    text: str = ""
    """The words."""
    citations: list[Citation] = field(default_factory=list)
    """Where they came from."""


class RefusalPart(PartFields):
    """The model declines, in its own words: Chat `refusal`, Responses `refusal` parts."""

    text: str = ""
    """Its words; in a chunk a fragment."""


class ThinkingPart(PartFields):
    """Reasoning that the model shows.

    An empty `text` with a signature is legal and must be sent back. A Responses reasoning item with several summaries
    is several parts of one `item_id`, the signature (its `encrypted_content`) on the last.
    """

    text: str = ""
    """The reasoning; in a chunk a fragment."""
    summary: bool = False
    """The text is a summary of the reasoning, not the reasoning itself."""
    redacted: str | None = None
    """Encrypted reasoning in place of the text: Anthropic `redacted_thinking.data`, Bedrock `redactedContent`."""


class ToolCallPart(PartFields):
    """The model asks for a tool to be called."""

    id: str = ""
    """Links it to the ToolResultPart with this `tool_call_id`."""
    name: str = ""
    """The tool's name."""
    arguments: str = ""
    """The JSON text that the model wrote, valid or not; with kind `custom` free text. In a chunk a fragment of it."""
    kind: Literal["function", "custom"] = "function"
    """`function` has JSON for arguments, `custom` free text."""
    namespace: str | None = None
    """The group of tools that it belongs to (Responses)."""


class ToolResultPart(PartFields):
    """What a tool answered. `content` holds text, media and opaque parts."""

    tool_call_id: str = ""
    """`id` of the ToolCallPart that it answers."""
    content: list[Part] = field(default_factory=list)
    """Empty where the tool gave nothing."""
    is_error: bool = False
    """The tool failed; `content` has the reason."""
    name: str | None = None
    """The tool's name, where the dialect has it (Gemini) or it is known from the call."""
    kind: Literal["function", "custom"] = "function"
    """As in the call."""


MediaKind = Literal["image", "document", "audio", "video"]


class MediaPart(PartFields):
    """An image, document, audio or video: exactly one of `data`, `url`, `file_id`, `text` is set."""

    kind: MediaKind = "image"
    """`image`, `document`, `audio` or `video`."""
    media_type: str | None = None
    """MIME type, such as `image/png`; None where the client gave none."""
    data: str | None = None
    """Base64, without line breaks."""
    url: str | None = None
    """An address which the provider fetches; never a data URL."""
    file_id: str | None = None
    """The provider's id of a file that was uploaded to it."""
    text: str | None = None
    """A document that is plain text."""
    name: str | None = None
    """File name or title."""
    detail: str | None = None
    """OpenAI's `detail`: auto, low, high, original."""


class OpaquePart(PartFields):
    """A block, item or event that only its own dialect understands. The same dialect emits it verbatim; another drops
    it and lists the loss."""

    dialect: str = ""
    """Name of the dialect that understands it."""
    data: Any = None
    """The vendor's JSON; in a stream that of the block's start."""
    deltas: list[Any] = field(default_factory=list)
    """The stream events that followed, in order, for the dialect to fold."""
    position: Literal["block", "event"] = "block"
    """`event`: a stream event that belongs to no block."""


Part: TypeAlias = TextPart | RefusalPart | ThinkingPart | ToolCallPart | ToolResultPart | MediaPart | OpaquePart
