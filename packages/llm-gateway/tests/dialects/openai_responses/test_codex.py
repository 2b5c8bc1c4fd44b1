"""What the Codex CLI sends, answered by a provider that knows only Chat Completions.

The requests are written after what was seen on the wire of Codex CLI 0.169: developer messages in place of
`instructions`, items with ids, a namespace, a custom tool with a grammar, a tool search which the client runs, a server
tool, reasoning items with encrypted content.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.dialect import Target, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.testing.dialect_laws import counting_mint
from llm_gateway_sdk.testing.grammar.openai_responses import violations

RESPONSES, CHAT = OpenAIResponses(), OpenAIChat()

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" LF'}
PATCH = '*** Begin Patch\n*** Add File: ü "quoted".txt\n+😀\n*** End Patch'

FIRST: dict[str, Any] = {
    "model": "gpt-5-codex",
    "input": [
        {"type": "message", "id": "msg_a", "role": "developer", "content": [{"type": "input_text", "text": "Rules."}]},
        {"type": "message", "id": "msg_b", "role": "user", "content": [{"type": "input_text", "text": "Do it."}]},
    ],
    "tools": [
        {
            "type": "function",
            "name": "exec_command",
            "description": "Runs a command.",
            "strict": False,
            "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
        },
        {
            "type": "namespace",
            "name": "multi_agent_v1",
            "description": "Work with other agents.",
            "tools": [
                {"type": "function", "name": "spawn_agent", "strict": False, "parameters": {"type": "object"}},
                {"type": "function", "name": "wait", "strict": False, "parameters": {"type": "object"}},
            ],
        },
        {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR},
        {
            "type": "tool_search",
            "execution": "client",
            "description": "Finds tools.",
            "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
        },
        {"type": "web_search", "external_web_access": True},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199",
    "client_metadata": {"x": "y"},
}

HISTORY: list[dict[str, Any]] = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "gAAAAA",
    },
    {
        "type": "function_call",
        "id": "fc_1",
        "status": "completed",
        "name": "exec_command",
        "arguments": '{"cmd":"ls"}',
        "call_id": "call_1",
    },
    {
        "type": "function_call",
        "id": "fc_2",
        "status": "completed",
        "name": "spawn_agent",
        "namespace": "multi_agent_v1",
        "arguments": "{}",
        "call_id": "call_2",
    },
    {"type": "function_call_output", "call_id": "call_1", "output": "a\nb"},
    {"type": "function_call_output", "call_id": "call_2", "output": "ok"},
    {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_3", "name": "apply_patch", "input": PATCH},
    {"type": "custom_tool_call_output", "call_id": "call_3", "output": "Done."},
    {
        "type": "tool_search_call",
        "call_id": "call_4",
        "execution": "client",
        "status": "completed",
        "arguments": {"query": "calendar"},
    },
    {
        "type": "tool_search_output",
        "call_id": "call_4",
        "execution": "client",
        "status": "completed",
        "tools": [
            {
                "type": "namespace",
                "name": "mcp__calendar",
                "description": "Calendars.",
                "tools": [
                    {
                        "type": "function",
                        "name": "list_events",
                        "description": "Lists events.",
                        "strict": False,
                        "defer_loading": True,
                        "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
                    }
                ],
            }
        ],
    },
    {
        "type": "message",
        "id": "msg_c",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "Searching.", "annotations": []}],
    },
]
SECOND = {**FIRST, "input": [*FIRST["input"], *HISTORY]}


def test_every_kind_of_tool_reaches_a_chat_provider_under_a_flat_name() -> None:
    upstream, losses = to_chat(FIRST)

    assert [tool[tool["type"]]["name"] for tool in upstream["tools"]] == [
        "exec_command",
        "multi_agent_v1__spawn_agent",
        "multi_agent_v1__wait",
        "apply_patch",
        "tool_search",
    ]
    assert upstream["tools"][4]["function"]["parameters"] == FIRST["tools"][3]["parameters"]
    assert any(loss.path == "tools[*]" and "web_search" in loss.detail for loss in losses)
    assert [message["role"] for message in upstream["messages"]] == ["developer", "user"]


def test_a_conversation_with_every_kind_of_call_reaches_a_chat_provider() -> None:
    upstream, _ = to_chat(SECOND, no_custom_tools=True)

    calls = {
        call["id"]: (call["function"]["name"], call["function"]["arguments"])
        for message in upstream["messages"]
        for call in message.get("tool_calls") or []
    }
    assert calls["call_1"] == ("exec_command", '{"cmd":"ls"}')
    assert calls["call_2"] == ("multi_agent_v1__spawn_agent", "{}")
    assert calls["call_3"][0] == "apply_patch"
    assert json.loads(calls["call_3"][1]) == {"input": PATCH}
    assert calls["call_4"][0] == "tool_search"
    assert json.loads(calls["call_4"][1]) == {"query": "calendar"}
    results = {message["tool_call_id"]: message for message in upstream["messages"] if message["role"] == "tool"}
    assert set(results) == set(calls)
    assert "mcp__calendar__list_events" in json.dumps(results["call_4"]["content"])


def test_tools_that_a_search_has_found_are_tools_for_a_chat_provider() -> None:
    upstream, _ = to_chat(SECOND)

    found = upstream["tools"][-1]["function"]
    assert found["name"] == "mcp__calendar__list_events"
    assert found["description"] == "Lists events."


@pytest.mark.parametrize("native_custom_tools", [True, False])
def test_calls_come_back_in_the_clients_own_types(native_custom_tools: bool) -> None:
    patch = (
        {"type": "custom", "custom": {"name": "apply_patch", "input": PATCH}}
        if native_custom_tools
        else {"type": "function", "function": {"name": "apply_patch", "arguments": json.dumps({"input": PATCH})}}
    )
    calls = [
        {"type": "function", "function": {"name": "multi_agent_v1__spawn_agent", "arguments": '{"task": "x"}'}},
        patch,
        {"type": "function", "function": {"name": "tool_search", "arguments": '{"query": "calendar"}'}},
        {"type": "function", "function": {"name": "mcp__calendar__list_events", "arguments": '{"day": "1"}'}},
        {"type": "function", "function": {"name": "exec_command", "arguments": '{"cmd": "ls"}'}},
    ]

    for streamed in (chat_stream(calls), chat_stream(calls, size=3)):
        events = from_chat(streamed, SECOND)

        output = final(events)["output"]
        assert [(item["type"], item.get("namespace"), item.get("name"), item["call_id"]) for item in output] == [
            ("function_call", "multi_agent_v1", "spawn_agent", "call_0"),
            ("custom_tool_call", None, "apply_patch", "call_1"),
            ("tool_search_call", None, None, "call_2"),
            ("function_call", "mcp__calendar", "list_events", "call_3"),
            ("function_call", None, "exec_command", "call_4"),
        ]
        assert output[1]["input"] == PATCH
        assert output[2]["arguments"] == {"query": "calendar"}
        assert output[2]["execution"] == "client"
        assert json.loads(output[0]["arguments"]) == {"task": "x"}


def test_the_input_of_a_custom_tool_streams_as_it_is_written() -> None:
    arguments = json.dumps({"input": PATCH})
    calls = [{"type": "function", "function": {"name": "apply_patch", "arguments": arguments}}]

    events = from_chat(chat_stream(calls, size=5), FIRST)

    deltas = [event["delta"] for event in events if event["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(deltas) == PATCH
    assert len(deltas) > 5


def test_what_came_back_is_sent_again_in_the_next_turn_as_it_was() -> None:
    calls = [
        {"type": "function", "function": {"name": "multi_agent_v1__spawn_agent", "arguments": '{"task": "x"}'}},
        {"type": "function", "function": {"name": "apply_patch", "arguments": json.dumps({"input": PATCH})}},
        {"type": "function", "function": {"name": "tool_search", "arguments": '{"query": "calendar"}'}},
    ]
    output = final(from_chat(chat_stream(calls), FIRST))["output"]
    outputs = [
        {"type": "function_call_output", "call_id": "call_0", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "2"},
        {"type": "tool_search_output", "call_id": "call_2", "execution": "client", "status": "completed", "tools": []},
    ]

    upstream, _ = to_chat({**FIRST, "input": [*FIRST["input"], *output, *outputs]}, no_custom_tools=True)

    (turn,) = [message for message in upstream["messages"] if message["role"] == "assistant"]
    sent = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in turn["tool_calls"]]
    assert sent == [
        ("multi_agent_v1__spawn_agent", {"task": "x"}),
        ("apply_patch", {"input": PATCH}),
        ("tool_search", {"query": "calendar"}),
    ]
    assert [call["id"] for call in turn["tool_calls"]] == ["call_0", "call_1", "call_2"]


@pytest.mark.parametrize("body", [FIRST, SECOND], ids=["first", "second"])
def test_a_native_provider_gets_what_the_client_sent(body: dict[str, Any]) -> None:
    request, _ = RESPONSES.decode_request(wire(body))
    losses = Losses()

    written = json.loads(RESPONSES.encode_request(request, Target(body["model"]), losses).body)

    assert written == body
    assert not losses


def test_an_edited_description_reaches_a_native_provider_in_the_tools_place() -> None:
    request, _ = RESPONSES.decode_request(wire(SECOND))
    for tool in request.tools:
        if tool.name == "mcp__calendar__list_events":
            tool.description = "[removed]"

    written = json.loads(RESPONSES.encode_request(request, Target("m"), Losses()).body)

    (found,) = [item for item in written["input"] if item["type"] == "tool_search_output"]
    assert found["tools"][0]["tools"][0]["description"] == "[removed]"
    assert written["tools"] == SECOND["tools"]


def test_additional_tools_of_an_item_are_tools_for_a_chat_provider() -> None:
    later = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "function", "name": "late", "strict": False, "parameters": {"type": "object"}}],
    }
    body = {**FIRST, "input": [*FIRST["input"], later]}

    upstream, _ = to_chat(body)
    request, _ = RESPONSES.decode_request(wire(body))
    native = json.loads(RESPONSES.encode_request(request, Target("m"), Losses()).body)

    assert upstream["tools"][-1]["function"]["name"] == "late"
    assert native["input"][-1] == later
    assert native["tools"] == FIRST["tools"]


def wire(body: dict[str, Any]) -> WireRequest:
    return WireRequest(path="/responses", body=json.dumps(body).encode())


def to_chat(body: dict[str, Any], **quirks: Any) -> tuple[dict[str, Any], Losses]:
    request, _ = RESPONSES.decode_request(wire(body))
    losses = Losses()
    RESPONSES.check_portable(request, losses)
    upstream: dict[str, Any] = json.loads(CHAT.encode_request(request, Target("m", quirks=quirks), losses).body)
    return upstream, losses


def chat_stream(calls: list[dict[str, Any]], size: int = 10_000) -> bytes:
    """A stream of Chat Completions with these calls, their arguments in fragments of `size` characters."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    for index, call in enumerate(calls):
        kind = call["type"]
        key = "input" if kind == "custom" else "arguments"
        text = call[kind][key]
        head = {"index": index, "id": f"call_{index}", "type": kind, kind: {"name": call[kind]["name"], key: ""}}
        deltas.append({"tool_calls": [head]})
        for at in range(0, len(text), size):
            deltas.append({"tool_calls": [{"index": index, kind: {key: text[at : at + size]}}]})
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    envelope = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}
    lines = [json.dumps({**envelope, **chunk}) for chunk in (*chunks, usage)]
    return b"".join(b"data: " + line.encode() + b"\n\n" for line in [*lines, "[DONE]"])


def from_chat(stream: bytes, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that the client of `body` gets for a provider's stream."""
    _, echo = RESPONSES.decode_request(wire(body))
    decoder = CHAT.stream_decoder(counting_mint())
    encoder = RESPONSES.stream_encoder(echo, counting_mint(), Losses("response"))
    sent = b"".join(encoder.encode(chunk) for chunk in [*decoder.feed(stream), *decoder.close()]) + encoder.close()
    assert violations(sent) == []
    return [json.loads(line[6:]) for line in sent.split(b"\n") if line.startswith(b"data: ")]


def final(events: list[dict[str, Any]]) -> dict[str, Any]:
    assert events[-1]["type"] == "response.completed"
    response: dict[str, Any] = events[-1]["response"]
    assert response["usage"]["total_tokens"] == 12
    return response
