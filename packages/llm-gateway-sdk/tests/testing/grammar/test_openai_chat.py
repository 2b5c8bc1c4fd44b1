from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway_sdk.testing.grammar.openai_chat import violations
from llm_gateway_sdk.testing.recordings import load_recordings

ROLE = {"role": "assistant", "content": ""}
CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
WHOLE = event(ROLE) + event({"content": "x"}) + event({}, "stop")


def calls(*pieces: dict[str, Any]) -> bytes:
    events = b"".join(event({"tool_calls": [piece]}) for piece in pieces)
    return event(ROLE) + events + event({}, "tool_calls") + DONE


def test_a_plain_stream_is_legal() -> None:
    assert violations(WHOLE + event(usage={"prompt_tokens": 1}) + DONE) == []


@pytest.mark.parametrize(
    ("stream", "wrong"),
    [
        (WHOLE, "no [DONE] at the end"),
        (event(ROLE) + DONE, "a choice without finish reason"),
        (DONE, "no choices"),
        (event({"content": "x"}) + event({}, "stop") + DONE, "event 0: choice 0: does not begin with its role"),
        (WHOLE + event({"content": "y"}) + DONE, "event 3: choice 0: content after the finish reason"),
        (WHOLE + event({}, "stop") + DONE, "event 3: choice 0: a second finish reason"),
        (event(ROLE) + event({}, "end_turn") + DONE, "event 1: choice 0: finish reason 'end_turn'"),
        (WHOLE + event({}, id="d") + DONE, "2 ids: ['c', 'd']"),
        (WHOLE + DONE + event({}), "event 4: follows [DONE]"),
        (calls({**CALL, "index": 1}), "event 1: choice 0: call 1 after 0 calls"),
        (calls({**CALL, "id": None}), "event 1: choice 0: call 0 begins without id, name or type"),
        (calls(CALL, {**CALL, "id": "b"}), "event 2: choice 0: call 0 changes its id"),
        (b"event: x\n" + WHOLE + DONE, "event 0: has the name 'x'"),
        (b"data: {\n\n" + WHOLE + DONE, "event 0: is not valid JSON"),
        (event(ROLE, usage={"prompt_tokens": 1}) + event({}, "stop") + DONE, "event 0: usage next to choices"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported(stream: bytes, wrong: str) -> None:
    assert wrong in violations(stream)


def test_a_broken_stream_may_not_look_whole() -> None:
    error = b'data: {"error": {"message": "x", "type": "server_error"}}\n\n'

    assert violations(event(ROLE) + error, complete=False) == []
    assert violations(event(ROLE) + error + DONE, complete=False) == [
        "event 2: follows an error",
        "a broken stream ends with [DONE]",
    ]
    assert violations(WHOLE, complete=False) == ["a broken stream has a finish reason"]


def test_what_openai_sends_is_legal() -> None:
    streams = [
        recording for recording in load_recordings("openai-chat")
        if recording.stream is not None and "stream-error" not in recording.features
    ]  # fmt: skip
    if not streams:
        pytest.skip("the conformance kit is not there")

    assert {recording.id: violations(recording.stream or b"") for recording in streams} == {
        recording.id: [] for recording in streams
    }
