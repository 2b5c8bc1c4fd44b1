"""The laws of dialects on the example, a grammar of its streams, and a gateway that speaks it on both sides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from ollama_native import OllamaNative

from llm_gateway_sdk import (
    Choice,
    DialectError,
    Headers,
    LLMRequest,
    LLMResponse,
    Losses,
    Message,
    Part,
    RefusalPart,
    Target,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.testing import FakeUpstream, ScriptedModel
from llm_gateway_sdk.testing.dialect_laws import DialectLaws, counting_mint

HERE = Path(__file__).parent
DIALECT = OllamaNative()


def violations(stream: bytes, *, complete: bool = True) -> list[str]:
    """What is wrong with a stream, by the API reference alone."""
    found: list[str] = []
    lines = [json.loads(line) for line in stream.splitlines() if line]
    for at, line in enumerate(lines):
        last = at == len(lines) - 1
        if "error" in line:
            if complete or not last:
                found.append("an error that is not the end of a broken stream")
            continue
        if not {"model", "created_at", "message", "done"} <= line.keys():
            found.append(f"line {at} lacks a field")
        if line["done"] != (last and complete):
            found.append(f"line {at} has done={line['done']}")
        for call in line["message"].get("tool_calls", ()):
            if not isinstance(call["function"]["arguments"], dict):
                found.append(f"line {at} has arguments that are not an object")
    return found


class TestOllamaNativeLaws(DialectLaws):
    dialect = DIALECT
    grammar = staticmethod(violations)
    lost_error_kinds: ClassVar[frozenset[str]] = frozenset(
        {"unknown", "quota", "context_length", "content_policy", "upstream"}
    )

    def holds(self, part: Part) -> bool:
        return isinstance(part, TextPart | ToolCallPart) or (
            isinstance(part, ThinkingPart) and part.signature is None and part.redacted is None
        )

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """Thinking, text and calls are fields of one message: their order among each other is not kept, nor are ids.
        A filtered answer ends as any other."""
        choices = []
        for choice in super().normalise_reply(reply).choices:
            parts = choice.message.content
            thought = "".join(part.text for part in parts if isinstance(part, ThinkingPart))
            text = "".join(part.text for part in parts if isinstance(part, TextPart))
            calls = [replace(part, id="", arguments=json.dumps(json.loads(part.arguments))) for part in parts
                     if isinstance(part, ToolCallPart)]  # fmt: skip
            content: list[Part] = [*([ThinkingPart(thought)] if thought else []), *([TextPart(text)] if text else [])]
            finish = "stop" if choice.finish_reason == "content_filter" else choice.finish_reason
            choices.append(replace(choice, message=Message("assistant", [*content, *calls]), finish_reason=finish))
        return replace(super().normalise_reply(reply), choices=choices)


def test_a_request_with_everything_is_written_as_it_was_read() -> None:
    body = {
        "model": "llama3.2",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?", "images": ["aGVsbG8="]},
            {"role": "assistant", "content": "", "thinking": "Look it up.",
             "tool_calls": [{"function": {"name": "look", "arguments": {"at": 1}}}]},
            {"role": "tool", "content": "a cat", "tool_name": "look"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.",
                                                    "parameters": {"type": "object", "properties": {}}}}],
        "format": {"type": "object"},
        "options": {"temperature": 0.5, "num_predict": 9, "stop": ["x"], "num_ctx": 4096},
        "think": "high",
        "keep_alive": "5m",
        "stream": False,
    }  # fmt: skip
    losses = Losses()

    request, _ = DIALECT.decode_request(WireRequest(body=json.dumps(body).encode()))
    written = DIALECT.encode_request(request, Target("llama3.2"), losses)

    assert json.loads(written.body) == body
    assert list(losses) == []
    call, result = request.messages[2].tool_calls[0], request.messages[3].content[0]
    assert isinstance(result, ToolResultPart)
    assert result.tool_call_id == call.id


def test_results_are_paired_with_calls_of_other_dialects_by_id() -> None:
    messages = [
        Message("user", [TextPart("hi")]),
        Message("assistant", [ToolCallPart("a", "f", "{}"), ToolCallPart("b", "g", "{}")]),
        Message("user", [ToolResultPart("b", [TextPart("2")]), ToolResultPart("a", [TextPart("1")]), TextPart("and?")]),
    ]

    written = DIALECT.translate(LLMRequest("m", messages), Target("m"), Losses(), "anthropic")

    assert json.loads(written.body)["messages"][2:] == [
        {"role": "tool", "content": "1", "tool_name": "f"},
        {"role": "tool", "content": "2", "tool_name": "g"},
        {"role": "user", "content": "and?"},
    ]


def test_streaming_is_the_default() -> None:
    assert DIALECT.peek(WireRequest(body=b'{"model":"m"}')) == ("m", True)
    assert DIALECT.peek(WireRequest(body=b'{"model":"m","stream":false}')) == ("m", False)


def test_what_a_wrong_field_is_expected_to_be_is_named() -> None:
    with pytest.raises(DialectError, match=r"messages\[0\]\.content: expected a string, found a number"):
        DIALECT.decode_request(WireRequest(body=b'{"messages":[{"role":"user","content":5}]}'))


def test_an_error_is_read_from_text_and_from_json() -> None:
    for body in (b"model not found", b'{"error":"model not found"}'):
        info = DIALECT.decode_error(WireReply(404, Headers(), body))

        assert (info.message, info.kind) == ("model not found", "not_found")


def test_a_refusal_of_another_model_becomes_text() -> None:
    reply = LLMResponse(choices=[Choice(0, Message("assistant", [RefusalPart("I can't.")]))])

    written = DIALECT.encode_response(
        reply, DIALECT.decode_request(WireRequest(body=b"{}"))[1], counting_mint(), Losses()
    )

    assert json.loads(written.body)["message"]["content"] == "I can't."


def test_clients_of_either_api_reach_a_model_at_the_other() -> None:
    testing = pytest.importorskip("llm_gateway.testing")
    with FakeUpstream(DIALECT, ScriptedModel("Hello from Ollama.", "Hello again.")) as upstream:
        text = (HERE / "gateway.yaml").read_text()
        text = text.replace("{type: ollama_native}", f"{{type: ollama_native, config: {{baseUrl: '{upstream.url}'}}}}")
        with testing.gateway_client(text, directory=HERE) as client:
            chat = client.post("/v1/chat/completions", json={"model": "local", "messages": [
                {"role": "user", "content": "hi"}]})  # fmt: skip
            native = client.post("/ollama_native/api/chat", json={"model": "parrot", "messages": [
                {"role": "user", "content": "say this"}]})  # fmt: skip

    assert chat.json()["choices"][0]["message"]["content"] == "Hello from Ollama."
    assert violations(native.body) == []
    assert "say this" in "".join(json.loads(line)["message"]["content"] for line in native.body.splitlines())
