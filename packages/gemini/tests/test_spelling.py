"""An edited request goes out in the spelling in which it came."""

from __future__ import annotations

import pytest
from llm_gateway_gemini.spelling import respelled, snake_names


def test_fields_in_snake_case_are_written_so_again() -> None:
    came = {"system_instruction": {"parts": [{"inline_data": {"mime_type": "image/png"}}]}, "contents": []}
    names = snake_names(came)
    canonical = {"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png"}}]}, "contents": []}

    assert respelled(canonical, names) == came


@pytest.mark.parametrize("field", ["args", "parameters", "response", "labels"])
def test_names_of_the_clients_own_are_left_alone(field: str) -> None:
    body = {"function_call": {field: {"my_key": 1}}}

    assert snake_names(body) == {"functionCall": "function_call"}
    assert respelled({"functionCall": {field: {"functionCall": 1}}}, {"functionCall": "function_call"}) == {
        "function_call": {field: {"functionCall": 1}}
    }
