"""Moderation in canonical form."""

from __future__ import annotations

import pytest

from llm_gateway_sdk.operations.moderation import Judgement


@pytest.mark.parametrize(
    ("categories", "flagged"),
    [({}, False), ({"hate": False}, False), ({"hate": False, "violence": True}, True)],
)
def test_an_input_is_flagged_by_any_of_its_categories(categories: dict[str, bool], flagged: bool) -> None:
    # Scores alone decide nothing: where the line is drawn is the vendor's matter.
    assert Judgement(categories, {"hate": 0.99}).flagged is flagged
