"""Canonical paths as a client's API calls the fields."""

from __future__ import annotations

from llm_gateway_sdk import Losses
from llm_gateway_sdk.dialects.field_names import FieldNames

NAMES = FieldNames(
    {"top_k": "config.topK", "max_tokens": ("max_completion_tokens", "max_tokens")},
    parts={"messages[*].content[*]": "turns[*].parts[*]", "messages[*].results[*].content[*]": "turns[*].result[*]"},
    leaves={"cache": "mark"},
)


def test_a_field_of_the_table_has_its_name() -> None:
    assert NAMES.spell("top_k") == "config.topK"


def test_a_field_within_one_of_the_table_keeps_its_own_name() -> None:
    assert NAMES.spell("messages[3].content[1].citations") == "turns[*].parts[*].citations"
    assert NAMES.spell("messages[3].content[1].cache.ttl") == "turns[*].parts[*].mark.ttl"


def test_a_field_that_is_not_in_the_table_stays() -> None:
    assert NAMES.spell("logit_bias") == "logit_bias"
    assert NAMES.spell("top_kind") == "top_kind"
    assert FieldNames().spell("messages[3].content[1]") == "messages[3].content[1]"


def test_of_several_names_the_one_that_was_sent_is_taken() -> None:
    assert NAMES.spell("max_tokens", b'{"max_tokens": 5}') == "max_tokens"
    assert NAMES.spell("max_tokens", b'{"max_completion_tokens": 5}') == "max_completion_tokens"
    assert NAMES.spell("max_tokens", b"{}") == "max_completion_tokens"


def test_parts_of_results_have_two_paths() -> None:
    assert NAMES.spell("messages[*].content[0].content[1].cache") == "turns[*].result[*].mark"
    assert NAMES.spell("messages[*].results[*].content[1].cache") == "turns[*].result[*].mark"


def test_numbers_stay_where_the_api_counts_as_the_canonical_form() -> None:
    names = FieldNames(parts={"messages[*].content[*]": "messages[*].content[*]"}, numbered=True)

    assert names.spell("messages[3].content[1].x") == "messages[3].content[1].x"


def test_losses_are_listed_by_those_names() -> None:
    losses = Losses("request", NAMES, b'{"max_tokens": 5}')
    losses.dropped("top_k")
    losses.clamped("max_tokens")

    assert [str(loss) for loss in losses] == ["dropped config.topK", "clamped max_tokens"]
