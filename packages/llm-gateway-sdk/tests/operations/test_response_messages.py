"""Messages of the Responses API by WebSocket, as requests and events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.operations import response_messages
from llm_gateway_sdk.operations.response_messages import Remembered, error_message, prepared, read_create, with_lane


def create(**fields: Any) -> bytes:
    return json.dumps({"type": "response.create", **fields}).encode()


def completed(identity: str, *output: Any) -> bytes:
    return json.dumps({"type": "response.completed", "response": {"id": identity, "output": list(output)}}).encode()


def test_a_message_is_a_request() -> None:
    found = read_create(create(model="m", input="hi", stream=False, event_id="e", stream_id="a", generate=True))

    assert (found.body, found.lane, found.generates) == ({"model": "m", "input": "hi", "stream": True}, "a", True)
    assert read_create(create(generate=False)).generates is False


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"nonsense", None), (b"[]", None), (b'{"type": "response.steer"}', "type"), (b"{}", "type"),
        (create(stream_id=5), "stream_id"), (create(background=True), "background"),
    ],
    ids=["text", "list", "steer", "none", "lane", "background"],
)  # fmt: skip
def test_another_message_is_refused(data: bytes, path: str | None) -> None:
    with pytest.raises(DialectError) as caught:
        read_create(data)

    assert caught.value.path == path


def test_what_was_not_stored_is_continued() -> None:
    remembered = Remembered()
    call = {"type": "function_call", "call_id": "c"}
    open_thought = {"type": "reasoning", "id": "rs_1"}
    sealed_thought = {"type": "reasoning", "id": "rs_2", "encrypted_content": "x"}
    remembered.take({"store": False, "input": "hi"}, completed("r1", open_thought, sealed_thought, call))

    whole = remembered.complete(
        {"model": "m", "previous_response_id": "r1", "input": [{"type": "function_call_output"}]}
    )

    assert whole == {
        "model": "m",
        "input": [{"role": "user", "content": "hi"}, sealed_thought, call, {"type": "function_call_output"}],
    }


def test_what_somebody_stores_goes_by_its_id() -> None:
    remembered = Remembered()
    remembered.take({"input": "hi"}, completed("r1"))

    assert remembered.complete({"previous_response_id": "r1"}) == {"previous_response_id": "r1"}


@pytest.mark.parametrize(
    "data",
    [
        b'{"type": "response.completed"',
        b'{"type": "response.completed", "response": 5}',
        b'{"type": [".completed"]}',
        b'{"type": {".completed": 1}}',
    ],
)
def test_a_last_event_that_can_not_be_read_is_not_remembered(data: bytes) -> None:
    remembered = Remembered()
    remembered.take({"store": False}, data)

    assert remembered.complete({"previous_response_id": "r1"}) == {"previous_response_id": "r1"}


def test_a_prepared_response_is_continued() -> None:
    remembered = Remembered()
    remembered.prepare({"input": "hi"}, "r1")

    assert remembered.complete({"previous_response_id": "r1", "input": "there"})["input"] == [
        {"role": "user", "content": "hi"}, {"role": "user", "content": "there"},
    ]  # fmt: skip
    first, last = (json.loads(event) for event in prepared({"model": "m"}, "r1", 5))
    assert (first["type"], last["type"]) == ("response.created", "response.completed")
    assert (last["response"]["id"], last["response"]["output"]) == ("r1", [])


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_messages, "_MOST_BYTES", 200)
    remembered = Remembered()
    for number in range(8):
        remembered.prepare({"input": "x" * 40}, f"r{number}")

    known = [n for n in range(8) if "input" in remembered.complete({"previous_response_id": f"r{n}"})]
    assert known == [6, 7]


def test_an_error_is_an_event() -> None:
    body = {"error": {"message": "No.", "type": "x", "code": "y", "param": "z"}}

    event = json.loads(error_message(429, json.dumps(body).encode()))

    assert (event["type"], event["status"], event["error"]) == ("error", 429, body["error"])
    assert (event["code"], event["message"], event["param"]) == ("y", "No.", "z")
    assert json.loads(error_message(502, b"<html>"))["message"] == "The request failed with status 502."


def test_events_have_the_name_of_their_lane() -> None:
    assert with_lane(b'{"type":"x"}', None) == b'{"type":"x"}'
    assert json.loads(with_lane(b'{"type":"x"}', "a")) == {"type": "x", "stream_id": "a"}
