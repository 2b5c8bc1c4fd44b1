"""Losses and errors name the fields of Messages requests as the API calls them."""

from __future__ import annotations

import pytest

from llm_gateway.dialects.anthropic.field_names import FIELD_NAMES, REPLY_FIELD_NAMES


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("stop", "stop_sequences"),
        ("user", "metadata.user_id"),
        ("system.content[*].cache", "system[*].cache_control"),
        ("messages[1].content[0].cache.ttl", "messages[*].content[*].cache_control.ttl"),
        ("reasoning.budget_tokens", "thinking.budget_tokens"),
        ("tools[*].parameters", "tools[*].input_schema"),
    ],
)
def test_a_field_has_the_name_of_its_api(path: str, own: str) -> None:
    assert FIELD_NAMES.spell(path) == own


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("choices[*].message.calls[*].caller", "content[*].caller"),
        ("usage.cache_write_tokens", "usage.cache_creation_input_tokens"),
        ("choices[*].stop_sequence", "stop_sequence"),
    ],
)
def test_a_field_of_a_reply_has_the_name_of_its_api(path: str, own: str) -> None:
    assert REPLY_FIELD_NAMES.spell(path) == own
