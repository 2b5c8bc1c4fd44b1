"""Messages requests made, read and written, for the tests of this dialect."""

from __future__ import annotations

from typing import Any

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway_sdk import (
    Headers,
    LLMRequest,
    Losses,
    Message,
    Target,
    TextPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

__all__ = ["BODIES", "DIALECT", "PNG", "again", "asks", "decode", "encode", "listed", "user"]

DIALECT = Anthropic()


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def decode(body: dict[str, Any], **headers: str) -> LLMRequest:
    wire = WireRequest(
        headers=Headers([(name.replace("_", "-"), value) for name, value in headers.items()]), body=json.dumps(body)
    )
    return DIALECT.decode_request(wire)[0]


def encode(
    request: LLMRequest,
    losses: Losses | None = None,
    *,
    model: str = "claude-sonnet-4-5",
    version: str | None = None,
    **quirks: Any,
) -> dict[str, Any]:
    target = Target(model, api_version=version, quirks=quirks)
    body: dict[str, Any] = json.loads(
        DIALECT.encode_request(request, target, losses if losses is not None else Losses()).body
    )
    return body


def again(body: dict[str, Any]) -> dict[str, Any]:
    return encode(decode(body), model=body.get("model", "m"))


def listed(losses: Losses) -> list[str]:
    return [f"{loss.kind} {loss.path}" for loss in losses]


def asks(*messages: Message, **fields: Any) -> LLMRequest:
    return LLMRequest(model="m", messages=list(messages) or [Message("user", [TextPart("hi")])], **fields)


def user(*parts: Any) -> Message:
    return Message("user", list(parts))


BODIES: dict[str, dict[str, Any]] = {
    "plain": {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]},
    "one text in a list": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    },
    "system with cache marks": {
        "model": "m",
        "max_tokens": 10,
        "system": [
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}},
        ],
        "cache_control": {"type": "ephemeral"},
        "messages": [{"role": "user", "content": "hi"}],
    },
    "a system turn in the conversation": {
        "model": "m",
        "max_tokens": 10,
        "system": "s",
        "messages": [
            {"role": "system", "content": "first"},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
        ],
    },
    "thinking, calls and results": {
        "model": "m",
        "max_tokens": 9000,
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "summarized"},
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s1"},
                    {"type": "thinking", "thinking": "", "signature": "s2"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    {"type": "text", "text": "let me see"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1, 2.5, None]}, "caller": {"x": 1}},
                    {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "content": [
                            {"type": "text", "text": "see"},
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                            {"type": "tool_reference", "tool_name": "x"},
                        ],
                        "cache_control": {"type": "ephemeral"},
                    },
                    {"type": "tool_result", "tool_use_id": "t2", "content": "bad", "is_error": True},
                    {"type": "tool_result", "tool_use_id": "t3"},
                    {"type": "text", "text": "and now?"},
                ],
            },
        ],
        "tools": [
            {
                "name": "f",
                "description": "F",
                "input_schema": {"type": "object", "properties": {"a": {}}},
                "strict": True,
                "input_examples": [{"a": 1}],
                "defer_loading": True,
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    },
    "documents": {
        "model": "m",
        "max_tokens": 10,
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                        "title": "T",
                        "context": "C",
                        "citations": {"enabled": True},
                    },
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                    {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
                    {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                    {"type": "document", "source": {"type": "content", "content": "c"}},
                    {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "c"}]}},
                    {
                        "type": "document",
                        "source": {
                            "type": "content",
                            "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}],
                        },
                    },
                    {
                        "type": "search_result",
                        "source": "https://x",
                        "title": "R",
                        "content": [{"type": "text", "text": "found"}],
                        "citations": {"enabled": True},
                    },
                    {
                        "type": "search_result",
                        "source": "https://x",
                        "title": "R",
                        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}},
                    {"type": "image", "source": {"type": "file", "file_id": "file_2"}, "transformations": {}},
                    {"type": "container_upload", "file_id": "file_3"},
                ],
            }
        ],
    },
    "citations in history": {
        "model": "m",
        "max_tokens": 10,
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "text",
                        "text": "so",
                        "citations": [
                            {
                                "type": "char_location",
                                "cited_text": "x",
                                "document_index": 0,
                                "document_title": "T",
                                "start_char_index": 0,
                                "end_char_index": 1,
                            },
                            {
                                "type": "web_search_result_location",
                                "cited_text": "y",
                                "url": "https://x",
                                "title": "W",
                                "encrypted_index": "E",
                            },
                        ],
                    },
                    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                ],
            },
            {"role": "user", "content": "go on"},
            {"role": "assistant", "content": "The answer is ("},
        ],
    },
    "everything else": {
        "model": "m",
        "max_tokens": 0,
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["\n\nHuman:", "END"],
        "stream": True,
        "metadata": {"user_id": '{"device":"x"}', "more": 1},
        "service_tier": "standard_only",
        "container": {"id": "c", "skills": []},
        "mcp_servers": [{"type": "url", "url": "https://m", "name": "m"}],
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}, "new": 1},
        "inference_geo": "us",
        "speed": "fast",
        "a_field_of_tomorrow": {"deep": [1, {"x": None}]},
    },
    "the beta's structured outputs": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "output_format": {"type": "json_schema", "schema": {"type": "object"}},
    },
    "forced tool": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "f"},
    },
    "adaptive thinking": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "max"},
        "temperature": 0.3,
    },
    "thinking between tools, or a form of tomorrow": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "tomorrow", "depth": 3},
    },
}
