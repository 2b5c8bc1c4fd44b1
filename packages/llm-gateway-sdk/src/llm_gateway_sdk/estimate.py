"""How many tokens a request is, about, where no provider can be asked. Errs high.

Agents size their compaction by a count: one that is too low lets a conversation run into the model's limit, one that is
too high only makes them compact a little early. Everything that fills a context is counted: system prompt, tools with
their schemas, tool calls and results, thinking, images, documents, and blocks of a vendor's own.
"""

from __future__ import annotations

import base64
import binascii
import re
from math import ceil
from typing import Any

from .parts import MediaPart, OpaquePart, Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from .request import LLMRequest, Message, Tool
from .wire import json

__all__ = ["estimate_text", "estimate_tokens"]


def estimate_tokens(request: LLMRequest) -> int:
    """Input tokens of `request`, at least 1."""
    total = _REQUEST_TOKENS
    for message in request.messages:
        total += _MESSAGE_TOKENS + _message(message)
    if request.tools:
        total += _TOOL_PROMPT_TOKENS
        for tool in request.tools:
            total += _TOOL_TOKENS
            if isinstance(tool, Tool):
                total += estimate_text(tool.name) + estimate_text(tool.description or "")
                total += _json(tool.parameters) + _json(tool.format)
                total += _json(tool.provider_metadata)
            else:
                total += _json(tool.data) + _SERVER_TOOL_TOKENS
    if request.reasoning is not None and request.reasoning.enabled is not False:
        total += _THINKING_PROMPT_TOKENS
    if request.response_format is not None and request.response_format.schema is not None:
        total += _SCHEMA_PROMPT_TOKENS + _json(request.response_format.schema)
    return total


def estimate_text(text: str) -> int:
    """Tokens of a text.

    Words, numbers and signs are counted apart, for a count by length alone fits prose and is far too low for code, JSON
    and random strings.
    """
    if not text:
        return 0
    if len(text) <= _SLICE:
        return ceil(_tokens(text) * _TOKENIZER_FACTOR)
    # In slices, between which other threads have their turn.
    slices = range(0, len(text), _SLICE)
    return ceil(sum(_tokens(text[start : start + _SLICE]) for start in slices) * _TOKENIZER_FACTOR)


def _tokens(text: str) -> int:
    tokens = text.count("\n")
    for word in _WORDS.findall(text):
        if not word[0].isascii():
            # From one token per three bytes of common scripts to more than one per letter of rare ones.
            tokens += ceil(len(word.encode("utf-8", "surrogatepass")) / 2)
        elif not word[0].isalnum():
            tokens += 1
        elif word.isalpha() and (word.islower() or word.istitle()):
            # Common words are one token; long ones come in pieces.
            tokens += 1 if len(word) <= 7 else ceil(len(word) / 4)
        elif word.isalpha() and len(word) < 16:
            # Initials and names of code.
            tokens += ceil(len(word) / 2)
        else:
            # Digits, hashes, keys, base64: up to a token for each letter.
            tokens += len(word)
    return tokens


def _message(message: Message) -> int:
    return sum(_part(part) for part in message.content) + estimate_text(message.name or "")


def _part(part: Part) -> int:
    match part:
        case TextPart():
            return estimate_text(part.text)
        case RefusalPart():
            return estimate_text(part.text)
        case ThinkingPart():
            return _BLOCK_TOKENS + estimate_text(part.text) + ceil(len(part.redacted or "") / 3)
        case ToolCallPart():
            return _CALL_TOKENS + estimate_text(part.name) + estimate_text(part.arguments)
        case ToolResultPart():
            return _CALL_TOKENS + sum(_part(inner) for inner in part.content)
        case MediaPart():
            return _BLOCK_TOKENS + _media(part)
        case OpaquePart():
            return _BLOCK_TOKENS + _json(part.data) + _json(part.deltas)


def _media(part: MediaPart) -> int:
    titles = estimate_text(part.name or "")
    if part.text is not None:
        return titles + estimate_text(part.text)
    match part.kind:
        case "image":
            return titles + _image(part)
        case "document":
            return titles + _document(part)
        case "audio":
            # Some 32 tokens a second of 8 KB, the least that spoken audio takes.
            return titles + (ceil(_size(part) / 250) if part.data else _UNSEEN_TOKENS)
    return titles + _UNSEEN_TOKENS


def _image(part: MediaPart) -> int:
    """A token per 750 pixels (docs.anthropic.com/en/docs/build-with-claude/vision), larger ones scaled down."""
    size = _png_size(part.data) if part.data else None
    if size is None:
        return _IMAGE_TOKENS
    width, height = size
    return min(_IMAGE_TOKENS, ceil(width * height / 750) + _BLOCK_TOKENS)


def _png_size(data: str) -> tuple[int, int] | None:
    try:
        head = base64.b64decode(data[:32], validate=True)
    except (binascii.Error, ValueError):
        return None
    if not head.startswith(b"\x89PNG\r\n\x1a\n") or len(head) < 24:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _document(part: MediaPart) -> int:
    """PDF: text and picture of each page."""
    if part.data is None:
        return _UNSEEN_TOKENS
    if part.media_type is not None and part.media_type.startswith("text/"):
        return ceil(_size(part) / 2)
    try:
        content = base64.b64decode(part.data)
    except (binascii.Error, ValueError):
        return ceil(_size(part) / 2)
    # Where the page objects are compressed their number is guessed from the size.
    pages = len(_PDF_PAGE.findall(content)) or max(1, len(content) // 30_000)
    return pages * _PAGE_TOKENS


def _size(part: MediaPart) -> int:
    return len(part.data or "") * 3 // 4


def _json(value: Any) -> int:
    if not value:
        return 0
    try:
        return estimate_text(json.dumps_text(value))
    except (TypeError, ValueError):
        return estimate_text(str(value))


_WORDS = re.compile(r"[A-Za-z0-9]+|[^\x00-\x7f]+|[^\sA-Za-z0-9]")
_SLICE = 64 * 1024
_TOKENIZER_FACTOR = 1.3
"""Newer tokenizers make up to a third more of the same text."""
_PDF_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
_REQUEST_TOKENS = 8
_MESSAGE_TOKENS = 5
_BLOCK_TOKENS = 4
_CALL_TOKENS = 24
_TOOL_TOKENS = 24
_TOOL_PROMPT_TOKENS = 600
"""The prompt that a vendor adds where there are tools."""
_SERVER_TOOL_TOKENS = 1200
"""The instructions of a tool that the vendor itself runs."""
_SCHEMA_PROMPT_TOKENS = 200
_THINKING_PROMPT_TOKENS = 40
_IMAGE_TOKENS = 1600
_PAGE_TOKENS = 3000
_UNSEEN_TOKENS = 6000
"""A file or address that only the provider can open."""
