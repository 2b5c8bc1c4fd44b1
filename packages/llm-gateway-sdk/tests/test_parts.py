"""Parts of messages: plain values that share nothing and have the same fields around what they hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

import pytest

from llm_gateway_sdk.parts import CacheHint, Part, TextPart

EACH = pytest.mark.parametrize("cls", get_args(Part), ids=lambda cls: cls.__name__)
AROUND = {"index", "item_id", "signature", "signed_by", "cache", "provider_metadata"}


@EACH
def test_a_part_can_be_made_empty_and_has_what_every_part_has(cls: type[Any]) -> None:
    part = cls()

    assert {field.name for field in fields(part)} >= AROUND
    assert [getattr(part, name) for name in sorted(AROUND - {"provider_metadata"})] == [None] * 5
    assert part == cls()


@EACH
def test_two_parts_share_nothing(cls: type[Any]) -> None:
    one, other = cls(), cls()
    one.provider_metadata["anthropic"] = {"x": 1}
    for field in fields(one):
        value = getattr(one, field.name)
        if isinstance(value, list):
            value.append("x")

    assert other == cls()


@EACH
def test_a_misspelt_field_is_an_error(cls: type[Any]) -> None:
    with pytest.raises(AttributeError):
        cls().signatur = "s"


def test_parts_with_other_hints_differ() -> None:
    assert TextPart("a", cache=CacheHint("5m")) != TextPart("a", cache=CacheHint("1h"))
