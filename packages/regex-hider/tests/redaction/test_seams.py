"""Matches across pieces of fields that are not known to come in pieces."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_regex_hider.patterns import Rule, RuleSet, compile_rules
from llm_gateway_regex_hider.redaction.bodies import BodyRedactor
from llm_gateway_regex_hider.redaction.bounds import Budget
from llm_gateway_regex_hider.redaction.seams import Seams


def seams() -> tuple[Seams, BodyRedactor]:
    rules = RuleSet(compile_rules([Rule(r"\d{3}-\d{2}-\d{4}")]))
    whole = BodyRedactor(rules, side="response")
    return Seams(rules, whole, on_limit="mask", budget=Budget()), whole


def through(values: list[Any]) -> list[Any]:
    redactor, _ = seams()
    for value in values:
        redactor.redact(value, ("event",))
    return values


@pytest.mark.parametrize("cut", range(1, 11))
def test_a_match_never_arrives_whole_wherever_it_is_cut(cut: int) -> None:
    secret = "123-45-6789"

    pieces = through([{"more": [{"bit": f"it is {secret[:cut]}"}]}, {"more": [{"bit": f"{secret[cut:]} indeed"}]}])

    joined = "".join(piece["more"][0]["bit"] for piece in pieces)
    assert secret not in joined
    assert joined.endswith("[REDACTED] indeed")


def test_a_match_in_many_pieces_never_arrives_whole() -> None:
    pieces = through([{"bit": letter} for letter in "no 123-45-6789 no"])

    assert "123-45-6789" not in "".join(piece["bit"] for piece in pieces)


def test_a_match_in_one_piece_is_hidden_there() -> None:
    assert through([{"bit": "a 123-45-6789 b"}, {"bit": " c"}]) == [{"bit": "a [REDACTED] b"}, {"bit": " c"}]


def test_fields_of_other_names_are_not_joined_and_words_are_left() -> None:
    values = [{"a": "123-45", "status": "done"}, {"b": "-6789", "status": "done"}]

    assert through([dict(value) for value in values]) == values


def test_what_is_found_across_a_seam_is_counted() -> None:
    redactor, whole = seams()

    for piece in ("123-45", "-6789"):
        redactor.redact({"bit": piece}, ())

    assert whole.findings.total == 1
