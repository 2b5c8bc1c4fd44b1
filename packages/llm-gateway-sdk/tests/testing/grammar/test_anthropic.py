from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway_sdk.testing.grammar.anthropic import violations

START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 1, "output_tokens": 0},
    },
}
PING = {"type": "ping"}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
STOP = {"type": "content_block_stop", "index": 0}
TOOL = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
}
THINKING = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "thinking", "thinking": "", "signature": ""},
}
THOUGHT = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "x"}}
SIGNATURE = {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}}
FINISH = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
END = {"type": "message_stop"}
ERROR = {"type": "error", "error": {"type": "api_error", "message": "m"}}


def stream(*bodies: dict[str, Any]) -> bytes:
    return b"".join(f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode() for body in bodies)


@pytest.mark.parametrize(
    "bodies",
    [
        [START, FINISH, END],
        [START, TEXT, DELTA, DELTA, STOP, FINISH, END],
        [START, PING, TEXT, PING, DELTA, STOP, {**TEXT, "index": 1}, {**STOP, "index": 1}, FINISH, END],
        [START, THINKING, THOUGHT, SIGNATURE, STOP, FINISH, END],
        [START, TOOL, STOP, FINISH, END],
        [START, {"type": "of_tomorrow"}, FINISH, END],
    ],
)  # fmt: skip
def test_legal_streams_have_no_violations(bodies: list[dict[str, Any]]) -> None:
    data = stream(*bodies)

    assert violations(data) == []
    assert violations(data.replace(b"\n", b"\r\n")) == []
    assert violations(b": comment\n\n" + data) == []


@pytest.mark.parametrize(
    ("bodies", "what"),
    [
        ([], "ends in state 'start'"),
        ([START, TEXT, DELTA, STOP, FINISH], "without message_stop"),
        ([TEXT], "before message_start"),
        ([START, START], "a second message_start"),
        ([START, TEXT, {**TEXT, "index": 1}], "opened while 0 is open"),
        ([START, {**TEXT, "index": 1}], "block index 1 after -1"),
        ([START, DELTA], "delta of block 0, which is not open"),
        ([START, TEXT, STOP, DELTA], "delta of block 0, which is not open"),
        ([START, TEXT, STOP, STOP], "stop of block 0, which is not open"),
        ([START, TOOL, DELTA], "text_delta in a tool_use block"),
        ([START, THINKING, SIGNATURE, THOUGHT], "thinking after its signature"),
        ([START, TEXT, FINISH], "message_delta while block 0 is open"),
        ([START, FINISH, FINISH], "a second message_delta"),
        ([START, FINISH, TEXT], "a block after message_delta"),
        ([START, END], "message_stop without message_delta"),
        ([START, FINISH, END, TEXT], "content_block_start after the stop"),
        ([START, ERROR, END], "message_stop after the error"),
        ([START, {"type": "error"}], "an error without type and message"),
        ([START, {**FINISH, "usage": {}}], "without usage.output_tokens"),
        ([START, {**FINISH, "delta": {}}], "without a stop_reason"),
        ([START, {**TOOL, "content_block": {**TOOL["content_block"], "name": ""}}], "without id or name"),
        ([{**START, "message": {**START["message"], "usage": {}}}], "usage without its two counts"),
        ([{**START, "message": {**START["message"], "content": ["x"]}}], "message.content"),
    ],
)  # fmt: skip
def test_each_breach_is_named(bodies: list[dict[str, Any]], what: str) -> None:
    assert any(what in violation for violation in violations(stream(*bodies)))


def test_names_have_to_agree_with_types() -> None:
    data = stream(START, FINISH, END).replace(b"event: message_stop", b"event: stop")

    assert violations(data) == ["event 2: event name 'stop', type 'message_stop'"]


def test_a_broken_off_stream_lacks_nothing_but_its_end() -> None:
    assert violations(stream(START, TEXT, DELTA), complete=False) == []
    assert violations(stream(START, TEXT, DELTA, ERROR), complete=False) == []


def test_what_is_not_valid_json_is_named() -> None:
    assert "not JSON" in violations(b"data: [DONE]\n\n", complete=False)[0]
