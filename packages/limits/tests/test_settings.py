"""The settings of limits: what the schema accepts is what is compiled."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from llm_gateway_limits.rules import compile_rules
from llm_gateway_limits.settings import SCHEMA

VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def valid(**limit: Any) -> bool:
    return VALIDATOR.is_valid({"limits": [{"name": "l", "requests": 10, "window": "1m", **limit}]})


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_its_examples_are_valid_and_can_be_compiled() -> None:
    for example in SCHEMA.get("examples", ()):
        VALIDATOR.validate(example)
        assert compile_rules(example["limits"])


@pytest.mark.parametrize(
    "limit",
    [
        {},
        {"per": ["key", "label:cost-center"]},
        {"window": {"calendar": "month", "timeZone": "Europe/Zurich"}},
        {"when": {"teams": ["a", "b"], "labels": {"tier": "gold"}}},
        {"per": ["team"], "overrides": [{"team": "a", "unlimited": True}]},
        {"mode": "shadow"},
    ],
    ids=str,
)
def test_what_is_documented_is_accepted_and_compiled(limit: dict[str, Any]) -> None:
    assert valid(**limit)
    assert compile_rules([{"name": "l", "requests": 10, "window": "1m", **limit}])


@pytest.mark.parametrize(
    "limit",
    [{"per": ["everybody"]}, {"per": "team"}, {"window": {"calendar": "century"}}, {"when": {"planets": "mars"}},
     {"mode": "loud"}, {"naem": "x"}, {"name": ""}, {"name": "a|b"}, {"warnAt": ["x"]}],
    ids=str,
)  # fmt: skip
def test_what_is_misspelt_is_refused(limit: dict[str, Any]) -> None:
    assert not valid(**limit)


@pytest.mark.parametrize(("number", "expected"), [(0, True), (7, False), (30, False), (100, True), ("7d", False)])
def test_how_many_refusals_are_kept_is_not_taken_for_days(number: object, expected: bool) -> None:
    limit = {"name": "l", "requests": 10, "window": "1m"}
    assert VALIDATOR.is_valid({"limits": [limit], "explainRetention": number}) is expected


def test_every_setting_of_a_limit_has_a_description() -> None:
    properties = SCHEMA["properties"]["limits"]["items"]["properties"]

    assert [name for name, schema in properties.items() if name != "per" and "description" not in schema] == []
