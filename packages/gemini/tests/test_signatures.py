"""Thought signatures: they are on calls, thoughts and texts, and must come back exactly from every client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from llm_gateway_gemini import Gemini
from llm_gateway_gemini.parts import PLACEHOLDER_SIGNATURE, read_signature, write_signature

from llm_gateway_sdk import (
    Dialect,
    Echo,
    Losses,
    Message,
    Target,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.request import LLMRequest
from llm_gateway_sdk.testing.dialect_laws import counting_mint, summed

GEMINI = Gemini()
TURNS = 10


def signature(turn: int, place: str) -> str:
    return f"U2lnbmF0dXJl{place}{turn:04d}"


def reply_of(turn: int) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": f"I think {turn}", "thought": True}]
    if turn % 3 == 1:
        parts[0]["thoughtSignature"] = signature(turn, "Thot")
    if turn % 2:
        call = {"functionCall": {"name": "look", "args": {"turn": turn}}, "thoughtSignature": signature(turn, "Call")}
        parts += [call, {"functionCall": {"name": "look", "args": {"turn": turn, "again": True}}}]
    else:
        parts.append({"text": f"It is {turn}.", "thoughtSignature": signature(turn, "Text")})
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "modelVersion": "gemini-3-pro",
        "responseId": f"r{turn}",
    }


def signatures_of(contents: list[dict[str, Any]]) -> list[str]:
    return [
        part["thoughtSignature"]
        for content in contents
        for part in content["parts"]
        if part.get("thoughtSignature", PLACEHOLDER_SIGNATURE) != PLACEHOLDER_SIGNATURE
    ]


def chat_history(history: list[Any], body: dict[str, Any]) -> None:
    message = body["choices"][0]["message"]
    history.append(message)
    for call in message.get("tool_calls") or []:
        history.append({"role": "tool", "tool_call_id": call["id"], "content": "seen"})
    if not message.get("tool_calls"):
        history.append({"role": "user", "content": "And now?"})


def messages_history(history: list[Any], body: dict[str, Any]) -> None:
    history.append({"role": "assistant", "content": body["content"]})
    results: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "seen"}
        for block in body["content"]
        if block["type"] == "tool_use"
    ]
    history.append({"role": "user", "content": results or "And now?"})


def responses_history(history: list[Any], body: dict[str, Any]) -> None:
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    history.extend(body["output"])
    history.extend({"type": "function_call_output", "call_id": call["call_id"], "output": "seen"} for call in calls)
    if not calls:
        history.append({"role": "user", "content": "And now?"})


def gemini_history(history: list[Any], body: dict[str, Any]) -> None:
    content = body["candidates"][0]["content"]
    history.append(content)
    calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
    answers: list[dict[str, Any]] = [
        {"functionResponse": {"name": call["name"], "response": {"output": "seen"}}} for call in calls
    ]
    history.append({"role": "user", "parts": answers or [{"text": "And now?"}]})


SCHEMA = {"type": "object", "properties": {"turn": {"type": "integer"}}}
CLIENTS: dict[str, tuple[str, Callable[..., None], Callable[[list[Any]], dict[str, Any]], Any]] = {
    "openai_chat": (
        "/chat/completions",
        chat_history,
        lambda history: {
            "model": "m",
            "messages": history,
            "tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}],
        },
        {"role": "user", "content": "Look."},
    ),
    "anthropic": (
        "/v1/messages",
        messages_history,
        lambda history: {
            "model": "m",
            "max_tokens": 100,
            "messages": history,
            "tools": [{"name": "look", "input_schema": SCHEMA}],
        },
        {"role": "user", "content": "Look."},
    ),
    "openai_responses": (
        "/responses",
        responses_history,
        lambda history: {
            "model": "m",
            "input": history,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "tools": [{"type": "function", "name": "look", "parameters": SCHEMA, "strict": None}],
        },
        {"role": "user", "content": "Look."},
    ),
    "gemini": (
        "/models/m:generateContent",
        gemini_history,
        lambda history: {"contents": history, "tools": [{"functionDeclarations": [{"name": "look"}]}]},
        {"role": "user", "parts": [{"text": "Look."}]},
    ),
}


def dialect_of(name: str) -> Dialect:
    if name == "gemini":
        return GEMINI
    module = pytest.importorskip(f"llm_gateway.dialects.{name}", reason="the gateway is not installed")
    classes = {"openai_chat": "OpenAIChat", "anthropic": "Anthropic", "openai_responses": "OpenAIResponses"}
    dialect: Dialect = getattr(module, classes[name])()
    return dialect


@pytest.mark.parametrize("client", CLIENTS)
def test_ten_turns_send_exactly_the_signatures_that_were_received(client: str) -> None:
    path, remember, build, first = CLIENTS[client]
    dialect, mint = dialect_of(client), counting_mint()
    history: list[Any] = [first]
    received: list[str] = []
    for turn in range(TURNS):
        asked = WireRequest("POST", path, body=json.dumps(build(history)).encode())
        request, echo = dialect.decode_request(asked)
        sent = json.loads(GEMINI.encode_request(request, Target("gemini-3-pro"), Losses()).body)
        assert signatures_of(sent["contents"]) == received, turn

        body = reply_of(turn)
        received += signatures_of([body["candidates"][0]["content"]])
        words = GEMINI.decode_response(WireReply(body=json.dumps(body).encode()), mint)
        answer = dialect.encode_response(words, echo, mint, Losses("response"))
        remember(history, json.loads(answer.body))


@pytest.mark.parametrize("client", ["openai_chat", "anthropic", "openai_responses"])
def test_results_find_their_calls_on_the_way_back(client: str) -> None:
    path, remember, build, first = CLIENTS[client]
    dialect, mint = dialect_of(client), counting_mint()
    history: list[Any] = [first]
    echo = dialect.decode_request(WireRequest("POST", path, body=json.dumps(build(history)).encode()))[1]
    words = GEMINI.decode_response(WireReply(body=json.dumps(reply_of(1)).encode()), mint)
    remember(history, json.loads(dialect.encode_response(words, echo, mint, Losses("response")).body))

    request, _ = dialect.decode_request(WireRequest("POST", path, body=json.dumps(build(history)).encode()))
    contents = json.loads(GEMINI.encode_request(request, Target("gemini-3-pro"), Losses()).body)["contents"]

    calls = [part["functionCall"] for part in contents[1]["parts"] if "functionCall" in part]
    results = [part["functionResponse"] for part in contents[2]["parts"]]
    assert [call["id"] for call in calls] == [result["id"] for result in results]
    assert {result["name"] for result in results} == {"look"}


def test_a_call_of_another_model_gets_the_documented_placeholder() -> None:
    call = ToolCallPart("c1", "look", "{}", signature="sig", signed_by="anthropic")
    second = ToolCallPart("c2", "look", "{}")
    request = LLMRequest(
        messages=[
            Message("user", [TextPart("Look.")]),
            Message("assistant", [call, second]),
            Message("tool", [ToolResultPart("c1", [TextPart("a")])]),
            Message("tool", [ToolResultPart("c2", [TextPart("b")])]),
        ]
    )
    losses = Losses()

    new = json.loads(GEMINI.encode_request(request, Target("gemini-3-pro"), losses).body)["contents"]
    old = json.loads(GEMINI.encode_request(request, Target("gemini-2.5-pro"), Losses()).body)["contents"]

    assert [part.get("thoughtSignature") for part in new[1]["parts"]] == [PLACEHOLDER_SIGNATURE, None]
    assert [part.get("thoughtSignature") for part in old[1]["parts"]] == [None, None]
    assert "dropped messages[*].content[*].signature" in [str(loss) for loss in losses]


def test_a_foreign_signature_fits_a_field_of_bytes_and_comes_back() -> None:
    written = write_signature("si.g/n+ature==", "anthropic")

    assert read_signature(written) == ("si.g/n+ature==", "anthropic")
    assert read_signature(written.replace("+", "-").replace("/", "_")) == ("si.g/n+ature==", "anthropic")
    assert set(written) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def test_encrypted_reasoning_of_another_provider_survives_a_gemini_client() -> None:
    mint = counting_mint()
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    wire = WireRequest("POST", "/models/m:generateContent", body=json.dumps(body).encode())
    words = GEMINI.decode_response(WireReply(body=json.dumps(reply_of(0)).encode()), mint)
    words.message.content = [ThinkingPart(redacted="c2VjcmV0", signed_by="anthropic"), TextPart("Hi")]

    echo = GEMINI.decode_request(wire)[1]
    content = json.loads(GEMINI.encode_response(words, echo, mint, Losses("response")).body)["candidates"][0]["content"]
    again = {"contents": [*body["contents"], content]}
    request, _ = GEMINI.decode_request(WireRequest("POST", wire.path, body=json.dumps(again).encode()))

    thought = request.messages[1].content[0]
    assert isinstance(thought, ThinkingPart)
    assert (thought.redacted, thought.signed_by, thought.signature) == ("c2VjcmV0", "anthropic", None)


def test_a_signature_in_the_middle_of_a_streamed_text_does_not_cut_the_text() -> None:
    decoder = GEMINI.stream_decoder(counting_mint())
    events: list[dict[str, Any]] = [
        {"candidates": [{"content": {"parts": [{"text": "It ", "thoughtSignature": "c2ln"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "is so."}]}, "finishReason": "STOP"}]},
    ]

    reply = summed(
        [chunk for event in events for chunk in decoder.feed(b"data: " + json.dumps(event).encode() + b"\r\n\r\n")]
        + decoder.close()
    )

    [text] = reply.message.content
    assert isinstance(text, TextPart)
    assert (text.text, text.signature, text.signed_by) == ("It is so.", "c2ln", "gemini")


def test_an_echo_of_another_kind_is_enough_to_stream() -> None:
    encoder = GEMINI.stream_encoder(Echo("m", True), counting_mint(), Losses("response"))

    assert encoder.close().startswith(b"data: ")
