"""Any conversation of any client, written for any provider, keeps the rules of that provider's API.

Requests are generated, written and read by the client's dialect, translated for the provider, and read again as a
strict server of that API would read them: names and ids within their limits, each call answered right after its turn,
the user first, no blank text, schemas with whole roots, and nothing lost that a model has to see.
"""

from __future__ import annotations

import re
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    Dialect,
    LLMRequest,
    Losses,
    Message,
    Part,
    Target,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

CLIENTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (OpenAIChat(), OpenAIResponses(), Anthropic(), Gemini())
}
PROVIDERS: dict[str, tuple[Dialect, Target]] = {
    "chat": (OpenAIChat(), Target("gpt-4.1", "openai")),
    "mistral": (OpenAIChat(), Target("m", "mistral", quirks={"call_id_length": 9, "no_user_after_tool": True})),
    "vllm": (OpenAIChat(), Target("qwen", "vllm", quirks={"system_turns": "first", "no_developer_role": True})),
    "responses": (OpenAIResponses(), Target("gpt-5.6", "openai")),
    "anthropic": (Anthropic(), Target("claude-sonnet-4-5", "anthropic")),
    "anthropic_newest": (Anthropic(), Target("claude-opus-5-5", "anthropic")),
    "gemini": (Gemini(), Target("gemini-3-pro", "gemini")),
    "bedrock": (Bedrock(), Target("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock")),
}
NAMES = {
    "openai_chat": r"[a-zA-Z0-9_-]{1,64}",
    "openai_responses": r"[a-zA-Z0-9_-]{1,64}",
    "anthropic": r"[a-zA-Z0-9_-]{1,128}",
    "bedrock": r"[a-zA-Z0-9_-]{1,64}",
    "gemini": r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}",
}
IDS = {
    "openai_chat": r".{1,40}",
    "openai_responses": r".{1,64}",
    "anthropic": r"[a-zA-Z0-9_-]+",
    "bedrock": r"[a-zA-Z0-9_.:-]{1,64}",
    "gemini": r"(?s:.+)",
}

names = st.sampled_from(
    ("look", "fs.read:file", "3d_print", "mcp__" + "server_" * 12 + "a", "mcp__" + "server_" * 12 + "b")
)
ids = st.sampled_from(("call_0", "call_1", "functions.get:0", "chatcmpl-tool-" + "0123456789abcdef" * 3, "x" * 95))
texts = st.sampled_from(("hello", "go on ", "a\nb", " ", "\n"))
schemas: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    (
        {"type": "object"},
        {
            "type": "object",
            "properties": {"q": {"$ref": "#/$defs/Q", "description": "d"}},
            "$defs": {"Q": {"type": "string"}},
        },
        {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": {}, "b": {}}},
    )
)


@st.composite
def conversations(draw: st.DrawFn) -> LLMRequest:
    messages: list[Message] = []
    unanswered: list[str] = []
    if draw(st.booleans()):
        messages.append(Message("system", [TextPart("Be careful.")]))
    for number in range(draw(st.integers(0, 6))):
        turn = draw(st.sampled_from(("user", "assistant", "calls", "calls", "results", "system")))
        if turn == "calls":
            called = [draw(ids) for _ in range(draw(st.integers(1, 2)))]
            spoken: list[Part] = [TextPart(f"text {number}")] if draw(st.booleans()) else []
            calls = [ToolCallPart(identity, draw(names), '{"q":1}') for identity in called]
            messages.append(Message("assistant", [*spoken, *calls]))
            unanswered += called
        elif turn == "results" and unanswered:
            answered = [unanswered.pop(0) for _ in range(draw(st.integers(1, len(unanswered))))]
            results = [ToolResultPart(identity, [TextPart(draw(texts))], name="look") for identity in answered]
            messages += [Message("tool", [result]) for result in results]
            if draw(st.booleans()):
                messages.append(Message("user", [TextPart(draw(texts))]))
        elif turn == "system":
            messages.append(Message("system", [TextPart(f"system {number}")]))
        elif turn != "results":
            messages.append(Message(turn, [TextPart(f"{draw(texts)} {number}")]))
    messages.append(Message("user", [TextPart("And now?")]))
    tools = [Tool(name, "d", draw(schemas)) for name in draw(st.lists(names, unique=True, min_size=1, max_size=3))]
    choice = draw(st.sampled_from((None, ToolChoice("required"), ToolChoice("tool", tools[0].name))))
    return LLMRequest(
        "model", messages, list(tools), choice, max_tokens=500, user=draw(st.sampled_from((None, "u" * 300)))
    )


@pytest.mark.parametrize(("client", "provider"), list(product(CLIENTS, PROVIDERS)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=conversations())
def test_a_strict_server_takes_what_is_sent(client: str, provider: str, words: LLMRequest) -> None:
    sender, (receiver, target) = CLIENTS[client], PROVIDERS[provider]
    if sender.name == receiver.name:
        return
    asked, _ = sender.decode_request(sender.encode_request(words, Target("model"), Losses()))

    wire = receiver.translate(asked, target, Losses(), sender.name)

    body = json.loads(wire.body)
    came, _ = receiver.decode_request(WireRequest("POST", wire.path, "", wire.headers, wire.body))
    check_names(receiver.name, asked, came, wire)
    check_calls(receiver.name, came, unique=provider in ("anthropic", "anthropic_newest", "bedrock"))
    check_order(receiver.name, came, body)
    check_schemas(came)
    if provider == "mistral":
        roles = [message["role"] for message in body["messages"]]
        assert ("tool", "user") not in set(pairwise(roles))
    if provider == "vllm":
        roles = [message["role"] for message in body["messages"]]
        assert "system" not in roles[1:]
        assert "developer" not in roles
    if provider == "anthropic_newest":
        assert body.get("tool_choice", {}).get("type") not in ("any", "tool")
    check_nothing_is_lost(asked, body)


def check_names(dialect: str, asked: LLMRequest, came: LLMRequest, wire: WireRequest) -> None:
    sent = [tool.name for tool in came.tools if isinstance(tool, Tool)]
    for name in (*sent, *(call.name for message in came.messages for call in message.tool_calls)):
        assert re.fullmatch(NAMES[dialect], name), name
    assert len(set(sent)) == len(sent)
    own = {tool.name for tool in asked.tools if isinstance(tool, Tool)}
    assert {wire.names.get(name, name) for name in sent} <= own


def check_calls(dialect: str, came: LLMRequest, *, unique: bool) -> None:
    """Each call is answered right after its turn, and only calls are."""
    everything: list[str] = []
    waiting: list[str] = []
    for message in came.messages:
        if waiting:
            results = [part.tool_call_id for part in message.content if isinstance(part, ToolResultPart)]
            assert results, f"{waiting} are not answered right after their turn"
            for identity in results:
                waiting.remove(identity)
        else:
            assert not any(isinstance(part, ToolResultPart) for part in message.content)
        called = [call.id for call in message.tool_calls]
        assert len(set(called)) == len(called)
        waiting += called
        everything += called
    assert not waiting
    for identity in everything:
        assert re.fullmatch(IDS[dialect], identity), identity
    if unique:
        assert len(set(everything)) == len(everything)


def check_order(dialect: str, came: LLMRequest, body: dict[str, Any]) -> None:
    spoken = [message for message in came.messages if message.role not in ("system", "developer")]
    assert spoken
    if dialect in ("anthropic", "bedrock", "gemini"):
        assert spoken[0].role == "user"
        pairs = pairwise(spoken)
        assert not any(first.role == second.role == "assistant" for first, second in pairs)
    if dialect in ("anthropic", "bedrock"):
        for message in came.messages:
            assert all(part.text.strip() for part in message.content if isinstance(part, TextPart))


def check_schemas(came: LLMRequest) -> None:
    for tool in came.tools:
        assert isinstance(tool, Tool)
        assert tool.parameters is not None
        assert tool.parameters["type"] == "object"
        assert isinstance(tool.parameters["properties"], dict)
        assert not {"anyOf", "oneOf", "allOf"} & set(tool.parameters)


def check_nothing_is_lost(asked: LLMRequest, body: dict[str, Any]) -> None:
    arrived = json.dumps_text(body)
    for message in asked.messages:
        for part in message.content:
            for inner in part.content if isinstance(part, ToolResultPart) else [part]:
                if isinstance(inner, TextPart) and inner.text.strip():
                    assert json.dumps_text(inner.text.strip())[1:-1] in arrived
