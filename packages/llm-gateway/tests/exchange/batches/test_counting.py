"""The usage of results, line by line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.exchange.batches.counting import Tally, blocks_of
from llm_gateway.operations.batches.anthropic_api import AnthropicBatchAPI
from llm_gateway.operations.batches.openai_api import OpenAIBatchAPI
from llm_gateway_sdk import Band, Mint, ModelProtocolError, Prices, Rates, Usage
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.charges import cost_of

MINT = Mint(lambda prefix: prefix + "1", lambda: 1)


class Reply:
    """A body that comes in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    async def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def read(*pieces: bytes, most: int = 1 << 20) -> list[bytes]:
    async def run() -> list[bytes]:
        reply: Any = Reply(*pieces)
        return [line async for block in blocks_of(reply, most) for line in block]

    return asyncio.run(run())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_whole_however_they_come(size: int) -> None:
    body = b'{"a": 1}\n{"b": 2}\n\n{"c": 3}'

    pieces = [body[start : start + size] for start in range(0, len(body), size)]

    assert [line for line in read(*pieces) if line] == [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}']


def test_blank_lines_are_neither_kept_nor_results() -> None:
    """However many a provider sends."""
    pieces = [b"\n \r\n" * 20_000] * 20
    assert read(b"{}", *pieces, b"[]\n\n", b"1") == [b"{}", b"[]", b"1"]


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(ModelProtocolError):
        read(b"x" * 60, b"x" * 60, most=100)


def message(model: str, **usage: Any) -> bytes:
    body = {
        "id": "m", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 10, "output_tokens": 3, **usage},
    }  # fmt: skip
    return json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": body}}).encode()


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (("claude-3-5-haiku-latest", "claude-3-5-sonnet-latest"), "claude-3-5-sonnet-20241022", 1),
        (("claude-3-5-sonnet-latest", "claude-3-5-haiku-latest"), "claude-3-5-haiku-20241022", 1),
        (("gpt-5-mini", "gpt-5"), "gpt-5-2025-08-07", 1),
        (("gpt-5", "gpt-5-mini"), "gpt-5-mini-2025-08-07", 1),
        (("gpt-5", "o4-mini"), "", 0),
    ],
)
def test_a_reply_belongs_to_the_model_that_its_name_is_most_like(
    asked: tuple[str, str], answered: str, expected: int
) -> None:
    tally = Tally(AnthropicBatchAPI(), [BatchShare(name, name) for name in asked], {"anthropic": Anthropic()}, MINT)

    tally.add([message(answered)])

    assert list(tally.used) == [(expected, 0)]


@given(inputs=st.lists(st.integers(0, 3000), min_size=1, max_size=12))
def test_a_batch_costs_what_its_lines_cost(inputs: list[int]) -> None:
    """Each line at the rates for its own input, however long the others are."""
    rates = [Rates(input=dollars * 10**9, output=dollars * 10**9) for dollars in (1, 2, 7)]
    bands = tuple(Band(above, each) for above, each in zip((0, 1000, 2000), rates, strict=True))
    prices = Prices(tiers={"standard": bands, "batch": bands[:2]})
    tally = Tally(AnthropicBatchAPI(), [BatchShare("m", "claude")], {"anthropic": Anthropic()}, MINT, [prices])

    tally.add([message("claude", input_tokens=each) for each in inputs])

    each_line = [cost_of(prices, Usage(each, 3), tier="batch") or 0 for each in inputs]
    assert tally.by_lines
    assert sum(cost_of(prices, usage) or 0 for usage in tally.used.values()) == sum(each_line)
    assert sum(usage.requests for usage in tally.used.values()) == len(inputs)


def test_lines_are_added_to_the_model_that_answered() -> None:
    shares = [BatchShare("small", "claude-haiku-4-5"), BatchShare("large", "claude-opus-4-5")]
    tally = Tally(AnthropicBatchAPI(), shares, {"anthropic": Anthropic()}, MINT)

    tally.add([message("claude-opus-4-5-20251101"), message("claude-haiku-4-5"), message("claude-opus-4-5")])
    tally.add([message("claude-haiku-4-5", cache_read_input_tokens=100, service_tier="standard"), b"", b"{}", b"no"])
    tally.add([json.dumps({"custom_id": "b", "result": {"type": "expired"}}).encode()])

    small, large = tally.used[0, 0], tally.used[1, 0]
    assert (small.input_tokens, small.output_tokens, small.cache_read_tokens, small.requests) == (120, 6, 100, 2)
    assert (large.input_tokens, large.output_tokens, large.requests) == (20, 6, 2)
    assert {small.service_tier, large.service_tier} == {"batch"}, "whatever the tier of a line"


def test_replies_that_are_not_of_a_dialect_are_counted_too() -> None:
    body = {"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    line = {"custom_id": "a", "response": {"status_code": 200, "body": body}}
    refused = {"custom_id": "b", "response": {"status_code": 400, "body": {"error": {}}}}
    tally = Tally(OpenAIBatchAPI(), [BatchShare("e", "e")], {"openai_chat": OpenAIChat()}, MINT)

    tally.add([json.dumps(each).encode() for each in (line, refused)])

    assert tally.used[0, 0].input_tokens == 8
    assert tally.used[0, 0].requests == 1
