from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from llm_gateway_sdk import (
    LLMRequest,
    MediaPart,
    Message,
    OpaquePart,
    OpaqueTool,
    Reasoning,
    ResponseFormat,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.estimate import estimate_text, estimate_tokens

HASH = hashlib.sha256(b"x").hexdigest()
PROSE = "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want. "


def of(*parts: Any, **fields: Any) -> int:
    return estimate_tokens(LLMRequest(messages=[Message("user", list(parts))], **fields))


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        (PROSE * 10, 240, 500),
        ('{"a": [1, 2, {"b": null}]}' * 10, 150, 400),
        (HASH, 40, 90),
        ("これは日本語の文章です。", 12, 40),
        ("🙂🙂🙂", 6, 15),
        ("", 0, 0),
        ("\n" * 50, 25, 80),
    ],
)
def test_texts_are_counted_high_but_not_absurdly_so(text: str, least: int, most: int) -> None:
    assert least <= estimate_text(text) <= most


@pytest.mark.parametrize(
    "part",
    [
        TextPart(PROSE),
        ThinkingPart(PROSE),
        ThinkingPart(redacted=HASH),
        ToolCallPart("a", "f", '{"x": "y"}'),
        ToolResultPart("a", [TextPart(PROSE), MediaPart("image", url="https://x")]),
        MediaPart("image", "image/jpeg", data="/9j/"),
        MediaPart("document", "application/pdf", data=base64.b64encode(b"%PDF /Type /Page /Type /Pages").decode()),
        MediaPart("document", text=PROSE),
        MediaPart("document", file_id="f"),
        MediaPart("audio", "audio/wav", data="AAAA" * 1000),
        OpaquePart("anthropic", {"type": "web_search_tool_result", "content": PROSE}),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_kind_of_content_counts(part: Any) -> None:
    assert of(TextPart("hi"), part) > of(TextPart("hi")) + 3


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [Tool("f", "does f", {"type": "object"})]},
        {"tools": [OpaqueTool("anthropic", {"type": "web_search"})]},
        {"reasoning": Reasoning(effort="high")},
        {"response_format": ResponseFormat("json_schema", {"type": "object"})},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_a_vendor_adds_to_the_prompt_counts(fields: dict[str, Any]) -> None:
    assert of(TextPart("hi"), **fields) > of(TextPart("hi")) + 20


def test_a_small_png_costs_less_than_a_large_one() -> None:
    def png(width: int, height: int) -> MediaPart:
        head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
        return MediaPart("image", "image/png", data=base64.b64encode(head + b"\0" * 20).decode())

    assert of(png(100, 100)) < 60
    assert of(png(4000, 4000)) > 1500


def test_pages_of_a_pdf_count_each() -> None:
    def pdf(pages: int) -> MediaPart:
        content = b"%PDF-1.4 /Type /Pages " + b"/Type /Page\n" * pages
        return MediaPart("document", "application/pdf", data=base64.b64encode(content).decode())

    assert of(pdf(10)) > 9 * of(pdf(1))


def test_broken_base64_is_counted_by_its_size() -> None:
    assert of(MediaPart("document", "application/pdf", data="=" * 301)) > 0
    assert of(MediaPart("image", "image/png", data="*")) > 1000


def test_an_empty_request_is_at_least_one_token() -> None:
    assert estimate_tokens(LLMRequest()) >= 1
