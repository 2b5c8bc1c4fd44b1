"""Texts of JSON that no dialect reads: each as a part of its kind, and back in its place."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.exchange.json_texts import json_part, put_back, texts_of
from llm_gateway_sdk import TextPart, ToolCallPart
from llm_gateway_sdk.texts import walk_json


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"arguments": '{"a": 1}'}, ToolCallPart),
        ({"output": "[1]"}, ToolCallPart),
        ({"note": ' {"a": 1}'}, ToolCallPart),
        ({"arguments": "free text"}, TextPart),
        ({"text": '{"a": 1}'}, TextPart),
        ({"content": ['{"a": 1}']}, ToolCallPart),
    ],
)
def test_what_is_json_is_offered_as_such_but_for_what_people_and_models_say(
    body: dict[str, Any], kind: type[object]
) -> None:
    (place,) = walk_json(body, "")
    part = json_part(place, place.text, 7)

    assert type(part) is kind
    assert part.index == 7
    assert texts_of([part]) == [place.text]


def test_what_was_changed_is_put_back_and_tokens_lose_their_bytes() -> None:
    tokens = [{"token": "two words", "bytes": [97]}, {"token": "and more", "bytes": [98]}, {"bytes": [1]}]
    body: dict[str, Any] = {"note": "some words", "logprobs": {"content": tokens}}
    places = list(walk_json(body, ""))
    texts = [place.text for place in places]

    put_back(body, places, texts, texts)
    assert [entry["bytes"] for entry in tokens] == [[97], [98], [1]]

    put_back(body, places, texts, [text.replace("two words", "…") for text in texts])
    assert tokens == [{"token": "…", "bytes": None}, {"token": "and more", "bytes": None}, {"bytes": [1]}]
    assert body["note"] == "some words"
