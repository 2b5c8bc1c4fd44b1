"""Types of settings: texts of a certain form have words for what is expected, and levels have other spellings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from llm_gateway.config.schema import GatewayFile
from llm_gateway.config.value_types import DURATION_SCHEMA, SIZE_SCHEMA, TEXT_FORMS, Level, Network

UNITS = [each["pattern"] for kind in (DURATION_SCHEMA, SIZE_SCHEMA) for each in kind["anyOf"] if "pattern" in each]


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for each in schema.values():
            yield from patterns(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from patterns(each)


def test_each_pattern_has_words_for_what_is_expected() -> None:
    found = set(patterns(GatewayFile.model_json_schema())) - set(UNITS)

    assert found == TEXT_FORMS.keys()


@pytest.mark.parametrize(("written", "level"), [("WARN", "warning"), ("trace", "debug"), ("info", "info")])
def test_levels_have_other_spellings(written: str, level: str) -> None:
    assert TypeAdapter(Level).validate_python(written) == level


def test_a_network_may_be_a_single_address() -> None:
    assert TypeAdapter(Network).validate_python("192.0.2.7") == "192.0.2.7/32"
    with pytest.raises(ValidationError, match=r"such as 10\.0\.0\.0/8"):
        TypeAdapter(Network).validate_python("everywhere")
