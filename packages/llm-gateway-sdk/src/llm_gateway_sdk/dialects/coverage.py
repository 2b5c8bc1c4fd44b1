"""What a request has that the dialect it is written in has no form for: reported in one place for all dialects.

Two kinds of fields can get lost between two dialects. Those that only the sender's API knows are kept in
`provider_metadata`, and no other dialect reads them: `report_unwritten` walks the request and lists each. Those that
the canonical types have but a dialect can't express are declared by it in `Dialect.lacks`. An encoder thus need not
remember what it does not write; where it lists a field itself, in more detail, its entry remains.

Keys of `provider_metadata` that begin with an underscore are notes on how something was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from ..losses import Losses
from ..parts import MediaPart, OpaquePart, Part, ProviderMetadata, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from ..request import LLMRequest, Message, OpaqueTool, Tool

__all__ = ["Lack", "drop_block", "drop_from_system", "drop_message", "drop_tool", "report_fields", "report_unwritten"]

Lack: TypeAlias = Literal[
    "citations",
    "citations.prompt",
    "media.name",
    "messages.name",
    "reasoning.summary",
    "response_format.description",
]
"""A canonical field that some dialect has no form for."""

_SYSTEM = "system.content[*]"
_CONTENT = "messages[*].content[*]"
_PLACES: dict[type, str] = {
    ToolCallPart: "messages[*].calls[*]",
    ToolResultPart: "messages[*].results[*]",
    ThinkingPart: "messages[*].thoughts[*]",
    MediaPart: "messages[*].media[*]",
}
"""Where a part is that is not in the content of its message in every API."""
_GROUPS = frozenset(
    {
        "additionalModelRequestFields", "call", "config", "declaration", "generationConfig", "inferenceConfig",
        "metadata", "output_config", "outputConfig", "part", "response", "toolConfig",
    }
)  # fmt: skip
"""Objects of which a dialect has read some fields: the others are reported one by one."""
_QUIET = frozenset({"stream_options", "client_metadata"})
"""Fields of a request that ask for what every reply has, or say nothing to a model."""


def report_unwritten(
    request: LLMRequest, dialect: str, lacks: frozenset[Lack], losses: Losses, *, is_bare: bool = False
) -> None:
    """Lists what of `request` a request in `dialect`, which has no form for `lacks`, does not hold. Messages that are
    bare (`Dialect.translate`) have nothing to list.

    The request's own `provider_metadata` is left to the encoders: some of it they do understand.
    """
    leading = True
    for message in () if is_bare else request.messages:
        leading = leading and message.role in ("system", "developer")
        for name, values in message.provider_metadata.items():
            if name != dialect:
                for key in values:
                    if key[:1] != "_":  # most messages have nothing but a note on how they were written
                        report_fields(values, "messages[*]", losses)
                        break
        if message.name is not None and "messages.name" in lacks:
            losses.dropped("messages[*].name")
        for part in message.content:
            # Most parts are a bare text, which is over with these four looks.
            if part.provider_metadata or part.cache is not None or type(part) is not TextPart or part.citations:
                path = _SYSTEM if leading else _PLACES.get(type(part), _CONTENT)
                _report_part(part, path, dialect, lacks, losses)
                cited = type(part) is TextPart and bool(part.citations)
                if cited and message.role != "assistant" and "citations.prompt" in lacks:
                    losses.dropped(f"{path}.citations")  # such a dialect has them for the assistant's texts alone
    for tool in request.tools:
        if tool.provider_metadata:
            nested = type(tool) is Tool and tool.namespace is not None
            _report(tool.provider_metadata, "tools[*].tools[*]" if nested else "tools[*]", dialect, losses)
        if tool.cache is not None and tool.cache.provider_metadata:
            _report(tool.cache.provider_metadata, "tools[*].cache", dialect, losses)
    if request.tool_choice is not None and request.tool_choice.provider_metadata:
        _report(request.tool_choice.provider_metadata, "tool_choice", dialect, losses)
    _report_wishes(request, dialect, lacks, losses)


def _report_part(part: Part, path: str, dialect: str, lacks: frozenset[Lack], losses: Losses) -> None:
    if part.provider_metadata:
        _report(part.provider_metadata, path, dialect, losses)
    if part.cache is not None and part.cache.provider_metadata:
        _report(part.cache.provider_metadata, f"{path}.cache", dialect, losses)
    match part:
        case TextPart():
            if part.citations and "citations" in lacks:
                losses.dropped(f"{path}.citations")
        case MediaPart():
            if part.name and "media.name" in lacks:
                losses.dropped(f"{path}.name")
        case ToolResultPart():
            for inner in part.content:
                _report_part(inner, f"{path}.content[*]", dialect, lacks, losses)


def _report_wishes(request: LLMRequest, dialect: str, lacks: frozenset[Lack], losses: Losses) -> None:
    wanted = request.response_format
    if wanted is not None:
        if wanted.provider_metadata:
            _report(wanted.provider_metadata, "response_format", dialect, losses)
        if wanted.description is not None and "response_format.description" in lacks:
            losses.dropped("response_format.description")
    reasoning = request.reasoning
    if reasoning is not None:
        if reasoning.provider_metadata:
            _report(reasoning.provider_metadata, "reasoning", dialect, losses)
        if reasoning.summary is not None and "reasoning.summary" in lacks:
            losses.dropped("reasoning.summary")


def drop_block(part: OpaquePart, losses: Losses, path: str = _CONTENT) -> None:
    """Reports a block of another vendor by its type."""
    losses.dropped(path, f"{_kind_of(part.data)} of {part.dialect}")


def drop_from_system(part: Part, losses: Losses) -> None:
    """Reports a part that a system prompt cannot hold."""
    if isinstance(part, OpaquePart):
        drop_block(part, losses, _SYSTEM)
    elif isinstance(part, MediaPart):
        losses.dropped(f"{_SYSTEM}.media", f"a system prompt holds no {part.kind}")
    else:
        losses.dropped(_SYSTEM, "a system prompt holds text only")


def drop_message(message: Message, losses: Losses) -> None:
    """Reports an item without a role, which only its own API knows, by its type."""
    for part in message.content:
        if isinstance(part, OpaquePart):
            drop_block(part, losses, "messages[*]")
        else:
            losses.dropped("messages[*]")


def drop_tool(tool: OpaqueTool, losses: Losses) -> None:
    """Reports a tool of another vendor by its type."""
    losses.dropped("tools[*]", f"{_kind_of(tool.data)} of {tool.dialect}")


def _kind_of(data: Any) -> str:
    """The type of a vendor's object, or the keys that say what it is where it has none (Gemini, Bedrock)."""
    kind = data.get("type") if isinstance(data, dict) else None
    if isinstance(kind, str) and kind:
        return kind
    return ", ".join(map(str, data)) if isinstance(data, dict) and data else "a block"


def _report(metadata: ProviderMetadata, path: str, dialect: str, losses: Losses) -> None:
    for name, values in metadata.items():
        if name != dialect:
            report_fields(values, path, losses)


def report_fields(values: Mapping[str, Any], path: str, losses: Losses) -> None:
    """Lists fields that only the sender's API has, of its request or of what is at `path` in it, as dropped."""
    for key, value in values.items():
        if key[:1] == "_" or value is None or value == {} or value == [] or (not path and key in _QUIET):
            continue
        place = f"{path}.{key}" if path else key
        if key in _GROUPS and isinstance(value, dict):
            report_fields(value, place, losses)
        else:
            losses.dropped(place)
