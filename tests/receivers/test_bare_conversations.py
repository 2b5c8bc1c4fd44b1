"""A conversation of bare texts takes a short way through a translation, and leaves it as by the long one.

Every sequence of up to three turns, each in every form that a client may give it, is read by each dialect that looks
for bare conversations, and written for every provider both ways.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini
from llm_gateway_ollama.dialect import Ollama

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import Dialect, Losses, Target, TextPart, WireRequest
from llm_gateway_sdk.wire import json

CLIENTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (OpenAIChat(), Anthropic())}
PROVIDERS: dict[str, tuple[Dialect, Target]] = {
    "chat": (OpenAIChat(), Target("gpt-4.1", "openai")),
    "vllm": (OpenAIChat(), Target("qwen", "vllm", quirks={"system_turns": "first", "no_developer_role": True})),
    "responses": (OpenAIResponses(), Target("gpt-5.6", "openai")),
    "anthropic": (Anthropic(), Target("claude-sonnet-4-5", "anthropic")),
    "gemini": (Gemini(), Target("gemini-3-pro", "gemini")),
    "bedrock": (Bedrock(), Target("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock")),
    "ollama": (Ollama(), Target("llama", "ollama")),
}
CONTENTS: tuple[Any, ...] = (
    "a text",
    " ",
    "",
    [{"type": "text", "text": "a text"}],
    [{"type": "text", "text": "a text", "cache_control": {"type": "ephemeral"}}],
)
TURNS = [
    *({"role": role, "content": content} for role in ("user", "assistant", "system") for content in CONTENTS),
    {"role": "user", "content": "a text", "name": "jane"},
    {"role": "developer", "content": "a text"},
]
TOOL = {"name": "look it up", "description": "d", "input_schema": {"type": "object", "properties": {}}}


def bodies(client: str) -> list[dict[str, Any]]:
    conversations = [list(turns) for length in (1, 2, 3) for turns in product(TURNS, repeat=length)]
    found = [{"model": "m", "max_tokens": 9, "messages": messages} for messages in conversations]
    if client == "anthropic":
        short = [body for body in found if len(body["messages"]) < 3]
        systems: tuple[Any, ...] = ("a system prompt", [{"type": "text", "text": "a system prompt"}])
        found += [{**body, "system": system, "tools": [TOOL]} for body in short for system in systems]
    return found


@pytest.mark.parametrize("client", CLIENTS)
def test_the_short_way_ends_where_the_long_one_does(client: str) -> None:
    sender, bare, others = CLIENTS[client], 0, 0
    for body in bodies(client):
        wire = WireRequest("POST", "", body=json.dumps(body))
        request, echo = sender.decode_request(wire)
        if not echo.is_bare:
            others += 1
            continue
        bare += 1
        for message in request.messages:
            assert [type(part) for part in message.content] == [TextPart]
        for name, (receiver, target) in PROVIDERS.items():
            if receiver.name == client:
                continue
            written = []
            for is_bare in (False, True):
                losses = Losses("request", sender.field_names, wire.body)
                if not is_bare:
                    sender.check_portable(request, losses)
                sent = receiver.translate(request, target, losses, client, is_bare=is_bare)
                written.append((sent.body, sent.names, sent.headers, list(losses)))
            assert written[0] == written[1], (name, body)
    assert bare > 30
    assert others > 1000


@pytest.mark.parametrize("client", CLIENTS)
def test_a_usual_conversation_is_bare(client: str) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    body = {"model": "m", "max_tokens": 9, "messages": [*turns, {"role": "user", "content": "Why?"}]}

    _, echo = CLIENTS[client].decode_request(WireRequest("POST", "", body=json.dumps(body)))

    assert echo.is_bare
