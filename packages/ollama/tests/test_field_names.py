"""Losses are named as clients of Ollama wrote the fields."""

from __future__ import annotations

import pytest
from llm_gateway_ollama.field_names import FIELD_NAMES


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("max_tokens", "options.num_predict"),
        ("reasoning.effort", "think"),
        ("response_format.schema", "format"),
        ("messages[2].calls[0].arguments", "messages[*].tool_calls[*].function.arguments"),
        ("messages[*].media[*]", "messages[*].images[*]"),
        ("tools[*].strict", "tools[*].strict"),
    ],
)
def test_a_field_has_the_clients_name(path: str, own: str) -> None:
    assert FIELD_NAMES.spell(path) == own
