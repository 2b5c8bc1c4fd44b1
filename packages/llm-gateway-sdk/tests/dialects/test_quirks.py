"""Quirks as settings."""

from __future__ import annotations

import jsonschema
import pytest

from llm_gateway_sdk.dialects.quirks import FLAG, NUMBER, choice, normalised, quirks_schema

SCHEMA = quirks_schema({"no_custom_tools": FLAG, "max_stop": NUMBER}, {"system_turns": choice("fold", "keep")})


@pytest.mark.parametrize(
    "quirks",
    [{}, {"noCustomTools": True}, {"no_custom_tools": True}, {"maxStop": 4, "systemTurns": "fold"}],
)
def test_both_spellings_are_taken(quirks: dict[str, object]) -> None:
    jsonschema.validate(quirks, SCHEMA)


@pytest.mark.parametrize("quirks", [{"noCustomTool": True}, {"maxStop": "four"}, {"systemTurns": "folded"}])
def test_what_no_dialect_declares_is_wrong(quirks: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(quirks, SCHEMA)


def test_dialects_get_them_by_their_names_in_python() -> None:
    assert normalised({"noCustomTools": True, "max_stop": 4, "top_k": True}) == {
        "no_custom_tools": True,
        "max_stop": 4,
        "top_k": True,
    }
    assert normalised(None) == {}
