"""What limits reserve before a request is sent: high enough, and found without reading the body."""

from __future__ import annotations

import base64
import json
import os
import time

import pytest

from llm_gateway_sdk import LLMRequest, Message, RequestContext, TextPart
from llm_gateway_sdk.context import HTTPRequest
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.payload import Payload
from llm_gateway_sdk.request_estimate import IMAGE_TOKENS, estimate_request


@pytest.mark.parametrize(
    ("body", "ceiling"),
    [
        ({"max_tokens": 100}, 100),
        ({"max_completion_tokens": 50, "max_tokens": 100}, 100),
        ({"max_output_tokens": 70}, 70),
        ({"max_tokens": 10, "n": 3}, 30),
        ({"generationConfig": {"maxOutputTokens": 20, "candidateCount": 2}}, 40),
        ({"inferenceConfig": {"maxTokens": 20}}, 20),
        ({"metadata": {"max_tokens": 1}}, None),
        ({"messages": [{"content": '"max_tokens": 1'}]}, None),
        ({"max_tokens": "many"}, None),
        ([], None),
    ],
)
def test_the_ceiling_is_what_the_request_allows(body: object, ceiling: int | None) -> None:
    assert estimate_request(json.dumps(body).encode()).output_tokens == ceiling


@pytest.mark.parametrize(
    "text", ["The quick brown fox jumps over the lazy dog. " * 400, "多少钱" * 3000, "x = f(a[1])\n" * 900]
)
def test_text_is_not_counted_low(text: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()

    assert estimate_request(body).input_tokens >= len(body) // 4


def test_images_are_counted_as_images_and_text_that_looks_like_them_as_text() -> None:
    image = base64.b64encode(b"\xff\xd8\xff\xe0" + os.urandom(3_000_000)).decode()
    parts = [{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{image}"}}]
    body = json.dumps({"messages": [{"role": "user", "content": parts}]}).encode()
    source = {"type": "base64", "media_type": "image/jpeg", "data": image}
    other = json.dumps({"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}).encode()
    text = json.dumps({"messages": [{"role": "user", "content": image}]}).encode()

    assert IMAGE_TOKENS <= estimate_request(body).input_tokens < IMAGE_TOKENS + 100
    assert IMAGE_TOKENS <= estimate_request(other).input_tokens < IMAGE_TOKENS + 100
    assert estimate_request(text).input_tokens > 1_000_000


def test_a_large_body_takes_no_time() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "word " * 12_000_000}], "max_tokens": 5}).encode()
    started = time.process_time()

    assert estimate_request(body).output_tokens == 5
    assert time.process_time() - started < 0.5


def test_a_request_that_was_read_is_counted_as_it_is() -> None:
    request = LLMRequest(messages=[Message("user", [TextPart("hello")])], max_tokens=7, n=2)
    http = HTTPRequest("POST", "/", "", Headers(), b"{}")
    ctx = RequestContext(request_id="r", http_request=http, request=Payload(None, request))

    assert ctx.estimate().output_tokens == 14
    assert 0 < ctx.estimate().input_tokens < 100


@pytest.mark.parametrize(("ceiling", "number"), [(-1, 1), (-(10**9), 8), (7, -3)])
def test_a_ceiling_below_zero_takes_nothing_from_what_is_reserved(ceiling: int, number: int) -> None:
    body = json.dumps({"max_tokens": ceiling, "n": number, "messages": [{"role": "user", "content": "hello"}]}).encode()
    request = LLMRequest(messages=[Message("user", [TextPart("hello")])], max_tokens=ceiling, n=number)

    found = [estimate_request(body).output_tokens, estimate_request(body, request).output_tokens]

    assert found == [None if ceiling < 0 else ceiling] * 2
