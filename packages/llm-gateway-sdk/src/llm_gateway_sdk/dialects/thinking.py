"""How much a model is asked to think, in the forms that APIs have for it: a switch, an effort, a budget of tokens.

Efforts and budgets are brought into one another by `llm_gateway_sdk.reasoning`. Here are the questions that an encoder
asks of a request before it writes any of the forms.
"""

from __future__ import annotations

from ..reasoning import MIN_BUDGET, budget_of_effort, effort_of_budget, lower_effort
from ..request import Reasoning, ToolChoice

__all__ = [
    "MIN_BUDGET",
    "budget_of_effort",
    "effort_of_budget",
    "forces_tool",
    "is_off",
    "is_wanted",
    "lower_effort",
]


def is_off(reasoning: Reasoning) -> bool:
    """Whether the client asks for no thinking, in any of the forms."""
    return reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget_tokens == 0


def is_wanted(reasoning: Reasoning) -> bool:
    """Whether the client asks for thinking. Neither this nor `is_off` where it leaves that to the model."""
    if is_off(reasoning):
        return False
    return bool(reasoning.enabled) or reasoning.effort is not None or reasoning.budget_tokens is not None


def forces_tool(choice: ToolChoice | None) -> bool:
    """Whether the model has to call a tool, which several APIs refuse together with thinking."""
    if choice is None:
        return False
    return choice.mode in ("required", "tool") or (choice.mode, choice.allowed_mode) == ("allowed", "required")
