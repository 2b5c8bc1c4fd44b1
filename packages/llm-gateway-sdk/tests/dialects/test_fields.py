"""Reading fields: every mismatch names the path, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.dialects import fields


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (fields.as_object, [], "a.b: expected an object, found a list"),
        (fields.as_list, {}, "a.b: expected a list, found an object"),
        (fields.required_str, None, "a.b: expected a string, found null"),
        (fields.optional_str, 5, "a.b: expected a string, found a number"),
        (fields.optional_bool, "yes", "a.b: expected a boolean, found a string"),
        (fields.optional_number, True, "a.b: expected a number, found a boolean"),
        (fields.optional_int, 1.5, "a.b: expected a whole number, found 1.5"),
        (fields.optional_list, "x", "a.b: expected a list, found a string"),
        (fields.optional_object, 0.5, "a.b: expected an object, found a number"),
    ],
)
def test_a_mismatch_names_path_expectation_and_find(read: Callable[[Any, str], Any], value: Any, message: str) -> None:
    with pytest.raises(DialectError) as raised:
        read(value, "a.b")

    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("read", "empty"),
    [
        (fields.optional_str, None),
        (fields.optional_bool, None),
        (fields.optional_number, None),
        (fields.optional_int, None),
        (fields.optional_object, None),
        (fields.optional_list, []),
    ],
)
def test_null_counts_as_absent(read: Callable[[Any, str], Any], empty: Any) -> None:
    assert read(None, "x") == empty


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert fields.optional_int(5.0, "x") == 5
    assert type(fields.optional_int(5.0, "x")) is int


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"{", "an event is not valid JSON"), (b"[]", "expected a JSON object, found a list"), (b"null", "found null")],
)
def test_a_body_has_to_be_an_object(data: bytes, message: str) -> None:
    with pytest.raises(DialectError, match=message):
        fields.read_object(data, "an event")


def test_unknown_fields_are_kept_but_nulls_and_notes() -> None:
    raw = {"known": 1, "other": [2], "empty": None, "_note": 3}

    assert fields.unknown_fields(raw, {"known"}) == {"other": [2]}


def test_paths_begin_without_a_point() -> None:
    assert (fields.join_path("", "a"), fields.join_path("a", "b")) == ("a", "a.b")
