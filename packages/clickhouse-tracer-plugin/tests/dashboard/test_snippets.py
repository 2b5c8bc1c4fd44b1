"""A recorded request can be sent again by hand: what is copied is run, as a shell and as Python run it."""

from __future__ import annotations

import json
import shlex
import sys
import types
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.snippets import chat_body, snippets

ORIGIN = "https://gateway.example.com"
HOSTILE = "it's $HOME `id` \"quoted\" \\ and\n{'a': None}"
CANONICAL: dict[str, Any] = {
    "model": "default",
    "temperature": 0,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": HOSTILE}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_call", "id": "c1", "name": "look_up", "arguments": '{"q":"rain"}'}],
        },
        {
            "role": "tool",
            "content": [{"type": "tool_result", "tool_call_id": "c1", "content": [{"type": "text", "text": "wet"}]}],
        },
    ],
    "tools": [{"name": "look_up", "input_schema": {"type": "object"}}],
}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": HOSTILE},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"q":"rain"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "wet"},
]


def row(path: str, request: Any = CANONICAL, original: Any = None) -> dict[str, Any]:
    return {"path": path, "request": json.dumps(request), "original": json.dumps(original) if original else ""}


def test_the_canonical_form_becomes_a_body_of_chat_completions() -> None:
    body = chat_body(CANONICAL)

    assert body["messages"] == CHAT
    assert body["temperature"] == 0
    assert body["tools"] == [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/team/v1/messages", "/team/v1/chat/completions"),
        ("/v1/responses", "/v1/chat/completions"),
    ],
)
def test_a_shell_sends_what_was_recorded(path: str, sent: str) -> None:
    command = shlex.split(dict(snippets(row(path), ORIGIN))["curl"])

    assert command[:2] == ["curl", ORIGIN + sent]
    assert "Authorization: Bearer $GATEWAY_KEY" in command
    assert json.loads(command[command.index("-d") + 1])["messages"] == CHAT


@pytest.mark.parametrize(
    ("path", "library", "base", "method"),
    [
        ("/v1/chat/completions", "openai", "/v1", "chat.completions.create"),
        ("/p/v1/messages", "anthropic", "/p", "messages.create"),
        ("/v1/responses", "openai", "/v1", "responses.create"),
    ],
)
def test_python_sends_the_body_as_it_arrived(
    path: str, library: str, base: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"model": "m", "input": HOSTILE, "flag": None, "stream": True}
    text = dict(snippets(row(path, original=body), ORIGIN))["Python"]
    sent: list[Any] = []

    def create(**fields: Any) -> list[str]:
        sent.append(fields)
        return ["event"]

    def client(**options: Any) -> Any:
        sent.append(options)
        holder: Any = create
        for name in reversed(method.split(".")):
            holder = types.SimpleNamespace(**{name: holder})
        return holder

    module: Any = types.ModuleType(library)
    module.OpenAI = module.Anthropic = client
    monkeypatch.setitem(sys.modules, library, module)
    monkeypatch.setenv("GATEWAY_KEY", "the key")
    exec(compile(text, "snippet", "exec"), {})

    assert sent == [{"base_url": ORIGIN + base, "api_key": "the key"}, body]


@pytest.mark.parametrize("request_", ["", "{broken", "[]", '{"messages": "none"}', '{"messages": []}'])
def test_without_a_body_there_is_nothing_to_copy(request_: str) -> None:
    assert snippets({"path": "/v1/embeddings", "request": request_, "original": ""}, ORIGIN) == []
