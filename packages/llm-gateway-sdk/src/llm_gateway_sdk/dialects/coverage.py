"""What a request says that the dialect it is written in has no form for: reported in one place for all dialects.

Two kinds of fields can get lost between two dialects. Those that only the sender's API knows are kept in
`provider_metadata`, and no other dialect reads them: `report_unsaid` walks the request and lists each. Those that the
canonical types have but a dialect can't express are declared by it in `Dialect.lacks`. An encoder thus need not
remember what it does not write; where it lists a field itself, in more detail, its entry remains.

Keys of `provider_metadata` that begin with an underscore are notes on how something was written.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..losses import Losses
from ..parts import MediaPart, Part, ProviderMetadata, TextPart, ToolResultPart
from ..request import LLMRequest

__all__ = ["Lack", "report_unsaid"]

Lack: TypeAlias = Literal[
    "citations",
    "citations.prompt",
    "media.name",
    "messages.name",
    "reasoning.summary",
    "response_format.description",
    "response_format.strict",
]
"""A canonical field that some dialect has no form for."""

_CONTENT = "messages[*].content[*]"


def report_unsaid(request: LLMRequest, dialect: str, lacks: frozenset[Lack], losses: Losses) -> None:
    """Lists what of `request` a request in `dialect`, which has no form for `lacks`, does not hold.

    The request's own `provider_metadata` is left to the encoders: some of it they do understand.
    """
    for message in request.messages:
        if message.provider_metadata:
            _report(message.provider_metadata, "messages[*]", dialect, losses)
        if message.name is not None and "messages.name" in lacks:
            losses.dropped("messages[*].name")
        for part in message.content:
            # Most parts are a bare text, which is over with these four looks.
            if part.provider_metadata or part.cache is not None or type(part) is not TextPart or part.citations:
                _report_part(part, _CONTENT, dialect, lacks, losses)
                cited = type(part) is TextPart and bool(part.citations)
                if cited and message.role != "assistant" and "citations.prompt" in lacks:
                    losses.dropped(f"{_CONTENT}.citations")  # such a dialect has them for the assistant's texts alone
    for tool in request.tools:
        if tool.provider_metadata:
            _report(tool.provider_metadata, "tools[*]", dialect, losses)
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
        if wanted.strict is not None and "response_format.strict" in lacks:
            losses.dropped("response_format.strict")
    reasoning = request.reasoning
    if reasoning is not None:
        if reasoning.provider_metadata:
            _report(reasoning.provider_metadata, "reasoning", dialect, losses)
        if reasoning.summary is not None and "reasoning.summary" in lacks:
            losses.dropped("reasoning.summary")


def _report(metadata: ProviderMetadata, path: str, dialect: str, losses: Losses) -> None:
    for name, values in metadata.items():
        if name == dialect:
            continue
        for key, value in values.items():
            if key[:1] != "_" and value is not None and value != {} and value != []:
                losses.dropped(f"{path}.{key}")
