"""Losses and errors name the fields of Chat Completions requests as the API calls them."""

from __future__ import annotations

import pytest

from llm_gateway.dialects.openai_chat.field_names import FIELD_NAMES, REPLY_FIELD_NAMES


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("top_k", "top_k"),
        ("cache_key", "prompt_cache_key"),
        ("tools[*].parameters", "tools[*].function.parameters"),
        ("response_format.schema", "response_format.json_schema.schema"),
        ("messages[2].content[0].detail", "messages[*].content[*].image_url.detail"),
        ("messages[2].content[0]", "messages[2].content[0]"),
        ("messages[*].results[*].content[*].cache", "messages[*].content[*].cache_control"),
    ],
)
def test_a_field_has_the_name_of_its_api(path: str, own: str) -> None:
    assert FIELD_NAMES.spell(path) == own


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("choices[*].message.audio[*].id", "choices[*].message.audio.id"),
        ("choices[*].message.content[*].citations", "choices[*].message.annotations"),
        ("usage.reasoning_tokens", "usage.completion_tokens_details.reasoning_tokens"),
    ],
)
def test_a_field_of_a_reply_has_the_name_of_its_api(path: str, own: str) -> None:
    assert REPLY_FIELD_NAMES.spell(path) == own
