"""Losses and errors name the fields of Responses requests as the API calls them."""

from __future__ import annotations

import pytest

from llm_gateway.dialects.openai_responses.field_names import FIELD_NAMES, REPLY_FIELD_NAMES


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("messages", "input"),
        ("messages[3].name", "input[*].name"),
        ("max_tokens", "max_output_tokens"),
        ("response_format.schema", "text.format.schema"),
        ("messages[*].calls[*].caller", "input[*].caller"),
        ("messages[*].results[*].content[*].name", "input[*].output[*].filename"),
    ],
)
def test_a_field_has_the_name_of_its_api(path: str, own: str) -> None:
    assert FIELD_NAMES.spell(path) == own


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("choices[*].message.calls[*].caller", "output[*].caller"),
        ("choices[*].message.content[*].citations[*].index", "output[*].content[*].annotations[*].index"),
        ("choices[*].logprobs", "output[*].content[*].logprobs"),
    ],
)
def test_a_field_of_a_reply_has_the_name_of_its_api(path: str, own: str) -> None:
    assert REPLY_FIELD_NAMES.spell(path) == own
