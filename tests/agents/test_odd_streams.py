"""Every liberty that compatible servers take with their streams, for clients of every API: nothing is lost.

Each liberty alone, each pair of them, and by chance all at once; AGENTS_LONG is how many times.
"""

from __future__ import annotations

import json
import os
import random
from itertools import combinations
from typing import Any

import pytest
from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini
from odd_streams import LIBERTIES, Answer, write

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    Accumulator,
    Dialect,
    LLMRequest,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Target,
    TextPart,
    ThinkingPart,
    Tool,
)

CLIENTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (OpenAIChat(), OpenAIResponses(), Anthropic(), Gemini(), Bedrock())
}
ANSWERS = {
    "text": Answer(text="It rains in Paris."),
    "thought": Answer("Let me think of it.", "It rains."),
    "call": Answer(calls=[("call_a", "look", {"place": "Paris"})]),
    "calls": Answer(
        "I need three.", "I look.",
        [("call_a", "look", {"place": "Paris"}), ("call_b", "look", {"place": "Rome"}), ("call_c", "now", {})],
    ),
}  # fmt: skip
PLAIN = {name: ways[0] for name, ways in LIBERTIES.items()}


def possible(answer: Answer, ways: dict[str, str]) -> bool:
    """Whether a reader can know what is meant."""
    repeated = ways["name"] == "every" or ways["arguments"] in ("empty first", "null first")
    return len(answer.calls) < 2 or ways["index"] == "there" or ways["id"] != "missing" or not repeated


def minted() -> Mint:
    count = iter(range(10_000))
    return Mint(lambda prefix: f"{prefix}{next(count)}", lambda: 1)


def chunks_of(dialect: Dialect, body: bytes, chance: random.Random) -> list[LLMResponse]:
    decoder = dialect.stream_decoder(minted())
    chunks: list[LLMResponse] = []
    at = 0
    while at < len(body):
        step = chance.randint(1, 200)
        chunks += decoder.feed(body[at : at + step])
        at += step
    return [*chunks, *decoder.close()]


def seen_by(client: Dialect, chunks: list[LLMResponse], chance: random.Random) -> LLMResponse:
    """What the client's own reader makes of the stream that the gateway writes for it."""
    tools: Any = [Tool("look", parameters={"type": "object"}), Tool("now", parameters={"type": "object"})]
    asked = LLMRequest("m", [Message("user", [TextPart("hi")])], tools, max_tokens=100, stream=True)
    if client.name == "openai_chat":
        asked.provider_metadata = {"openai_chat": {"stream_options": {"include_usage": True}}}
    wire = client.encode_request(asked, Target("m"), Losses())
    _, echo = client.decode_request(wire)
    encoder = client.stream_encoder(echo, minted(), Losses())
    body = b"".join(encoder.encode(chunk) for chunk in chunks) + encoder.close()
    total = Accumulator()
    for chunk in chunks_of(client, body, chance):
        total.add(chunk)
    return total.value()


def check(answer: Answer, ways: dict[str, str], chance: random.Random) -> None:
    body = write(answer, ways, chance)
    chunks = chunks_of(OpenAIChat(), body, chance)
    for client in CLIENTS.values():
        reply = seen_by(client, chunks, chance)
        where = f"{client.name}: { {k: v for k, v in ways.items() if v != PLAIN[k]} }"
        content = reply.message.content
        thinking = "".join(part.text for part in content if isinstance(part, ThinkingPart))
        calls = reply.message.tool_calls
        assert reply.text == answer.text, where
        assert thinking == answer.thinking, where
        assert [(call.name, json.loads(call.arguments or "{}")) for call in calls] == [
            (name, given) for _, name, given in answer.calls
        ], where
        identities = [call.id for call in calls]
        assert all(identities), where
        assert len(set(identities)) == len(identities), where
        if ways["id"] != "missing":
            assert identities == [identity for identity, _, _ in answer.calls], where
        assert reply.finish_reason == ("tool_calls" if answer.calls else "stop"), where
        if ways["usage"] != "none":
            assert reply.usage is not None, where
            assert (reply.usage.input_tokens, reply.usage.output_tokens) == answer.usage, where


@pytest.mark.parametrize("name", ANSWERS)
def test_each_liberty_and_each_pair(name: str) -> None:
    answer, chance = ANSWERS[name], random.Random(name)
    each = [(liberty, way) for liberty, ways in LIBERTIES.items() for way in ways[1:]]
    for one, other in [*((one, one) for one in each), *combinations(each, 2)]:
        ways = {**PLAIN, other[0]: other[1], one[0]: one[1]}
        if (one == other or chance.random() < SHARE) and possible(answer, ways):
            check(answer, ways, chance)


SHARE = 1.0 if os.environ.get("AGENTS_LONG") else 0.08


@pytest.mark.parametrize("name", ANSWERS)
def test_any_mixture(name: str) -> None:
    answer, chance = ANSWERS[name], random.Random(f"any {name}")
    for _ in range(int(os.environ.get("AGENTS_LONG", "20"))):
        ways = {liberty: chance.choice(ways) for liberty, ways in LIBERTIES.items()}
        if possible(answer, ways):
            check(answer, ways, chance)
