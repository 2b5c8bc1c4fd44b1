"""What a request asks of thinking, in whichever form it asks."""

from __future__ import annotations

import pytest

from llm_gateway_sdk import ToolChoice
from llm_gateway_sdk.dialects.thinking import forces_tool, is_off, is_wanted
from llm_gateway_sdk.request import Reasoning


@pytest.mark.parametrize(
    ("reasoning", "off", "wanted"),
    [
        (Reasoning(), False, False),
        (Reasoning(summary="auto"), False, False),
        (Reasoning(enabled=True), False, True),
        (Reasoning(effort="low"), False, True),
        (Reasoning(budget_tokens=2048), False, True),
        (Reasoning(budget_tokens=-1), False, True),
        (Reasoning(enabled=False), True, False),
        (Reasoning(effort="none"), True, False),
        (Reasoning(budget_tokens=0), True, False),
        (Reasoning(enabled=False, effort="high"), True, False),
    ],
)
def test_off_wanted_or_left_to_the_model(reasoning: Reasoning, off: bool, wanted: bool) -> None:
    assert (is_off(reasoning), is_wanted(reasoning)) == (off, wanted)


@pytest.mark.parametrize(
    ("choice", "forced"),
    [
        (None, False),
        (ToolChoice("auto"), False),
        (ToolChoice("none"), False),
        (ToolChoice("required"), True),
        (ToolChoice("tool", "f"), True),
        (ToolChoice("allowed", names=["f"]), False),
        (ToolChoice("allowed", names=["f"], allowed_mode="required"), True),
    ],
)
def test_a_choice_that_forces_a_call(choice: ToolChoice | None, forced: bool) -> None:
    assert forces_tool(choice) is forced
