"""Arguments that come piece by piece are those of one call."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini import Gemini
from llm_gateway_gemini.streamed_calls import StreamedCall, is_streamed

from llm_gateway_sdk import Accumulator, LLMResponse, Mint
from llm_gateway_sdk.wire import json


def arguments_of(*pieces: dict[str, Any]) -> dict[str, Any]:
    call = StreamedCall()
    call.add({}, {"name": "f", "willContinue": True}, "")
    assert call.add({}, {"partialArgs": list(pieces)}, "")
    value: dict[str, Any] = call.whole()["functionCall"]["args"]
    return value


@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("$.city", {"city": "x"}),
        ("$.stops[0].name", {"stops": [{"name": "x"}]}),
        ("$.stops[1]", {"stops": [None, "x"]}),
        ("$['a b']['it\\'s']", {"a b": {"it's": "x"}}),
        ('$["a.b"]', {"a.b": "x"}),
        ("$.grid[1][0]", {"grid": [None, ["x"]]}),
        ("$", {}),
    ],
)
def test_a_value_is_at_its_place(place: str, arguments: dict[str, Any]) -> None:
    assert arguments_of({"jsonPath": place, "stringValue": "x"}) == arguments


def test_values_are_of_every_kind() -> None:
    assert arguments_of(
        {"jsonPath": "$.a", "numberValue": 1.5},
        {"jsonPath": "$.b", "boolValue": False},
        {"jsonPath": "$.c", "nullValue": "NULL_VALUE"},
    ) == {"a": 1.5, "b": False, "c": None}


def test_a_text_comes_in_pieces_and_its_place_may_come_again() -> None:
    assert arguments_of(
        {"jsonPath": "$.a", "stringValue": "Bos", "willContinue": True},
        {"jsonPath": "$.a", "stringValue": "ton"},
        {"jsonPath": "$.a", "stringValue": "Rome"},
    ) == {"a": "Rome"}


def test_places_that_no_list_has_are_left_out() -> None:
    assert arguments_of({"jsonPath": "$.a[1000000000]", "stringValue": "x"}) == {"a": []}


def test_a_whole_call_is_not_a_piece() -> None:
    assert not is_streamed({"name": "f", "args": {}})


def reply(*parts: dict[str, Any]) -> LLMResponse:
    events: list[dict[str, Any]] = [{"candidates": [{"content": {"role": "model", "parts": [part]}}]} for part in parts]
    events.append({"candidates": [{"finishReason": "STOP"}]})
    numbers = iter(range(1, 99))
    decoder = Gemini().stream_decoder(Mint(lambda prefix: f"{prefix}{next(numbers)}", lambda: 1))
    whole = Accumulator()
    for chunk in decoder.feed(b"".join(b"data: " + json.dumps(event) + b"\n\n" for event in events)) + decoder.close():
        whole.add(chunk)
    return whole.value()


def call(**fields: Any) -> dict[str, Any]:
    return {"functionCall": fields}


def test_the_pieces_of_two_calls_are_two_calls() -> None:
    value = reply(
        {"text": "Let me see."},
        {**call(name="weather", willContinue=True), "thoughtSignature": "c2ln"},
        call(partialArgs=[{"jsonPath": "$.city", "stringValue": "Bos", "willContinue": True}], willContinue=True),
        call(partialArgs=[{"jsonPath": "$.city", "stringValue": "ton"}], willContinue=True),
        call(),
        call(name="clock", partialArgs=[{"jsonPath": "$.zone", "stringValue": "EST"}]),
        call(name="plain", args={"a": 1}),
    ).choices[0]

    assert [(part.name, json.loads(part.arguments)) for part in value.message.tool_calls] == [
        ("weather", {"city": "Boston"}),
        ("clock", {"zone": "EST"}),
        ("plain", {"a": 1}),
    ]
    assert value.message.tool_calls[0].signature == "c2ln"
    assert len({part.id for part in value.message.tool_calls}) == 3
    assert value.finish_reason == "tool_calls"


@pytest.mark.parametrize("after", [[], [{"text": "Done."}], [call(name="g", args={})]], ids=["end", "text", "call"])
def test_a_call_that_is_left_open_ends_with_what_follows(after: list[dict[str, Any]]) -> None:
    value = reply(
        call(name="f", willContinue=True),
        call(partialArgs=[{"jsonPath": "$.a", "numberValue": 1}], willContinue=True),
        *after,
    )

    assert value.choices[0].message.tool_calls[0].arguments == '{"a":1}'
