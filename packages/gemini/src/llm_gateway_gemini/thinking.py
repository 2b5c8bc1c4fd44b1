"""`thinkingConfig` ↔ Reasoning.

Gemini 2.5 counts (`thinkingBudget`: 0 is off, -1 leaves it to the model), Gemini 3 and later name a level
(`thinkingLevel`), and which levels there are depends on the model. Source: ai.google.dev, "Gemini thinking".
"""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import DialectError, Losses, Reasoning, Target
from llm_gateway_sdk.reasoning import EFFORTS, budget_of_effort, effort_of_budget, lower_effort

from .parts import NAME, fields, own

__all__ = ["decode_thinking", "encode_thinking", "generation"]

_VERSION = re.compile(r"gemini-(\d+)(?:[.-](\d+))?")
_LEVELS = ("minimal", "low", "medium", "high", "xhigh")

_LEVELS_OF_MODELS = (
    ("gemini-3-pro", ("low", "high")),
    ("gemini-3.1-pro", ("low", "medium", "high")),
    ("", ("minimal", "low", "medium", "high")),
)
_BUDGETS_OF_MODELS = (("gemini-2.5-pro", (128, 32768)), ("", (0, 24576)))
"""Smallest and largest budget; -1 is always allowed."""


def generation(model: str) -> float:
    """3.1 for `gemini-3.1-pro-preview`; names without a number count as new."""
    match = _VERSION.search(model)
    if match is None:
        return float("inf")
    minor = match[2] if match[2] is not None and len(match[2]) == 1 else "0"
    return float(f"{match[1]}.{minor}")


def decode_thinking(value: Any, path: str) -> Reasoning | None:
    config = fields(value, path)
    if not config:
        return None
    reasoning = Reasoning(provider_metadata={NAME: {"_form": value}})
    level = config.get("thinkingLevel")
    if level is not None:
        if not isinstance(level, str):
            raise DialectError("expected a string", path=f"{path}.thinkingLevel")
        word = level.removeprefix("THINKING_LEVEL_").lower()
        if word in _LEVELS:
            reasoning.effort, reasoning.enabled = word, True
    budget = config.get("thinkingBudget")
    if budget is not None:
        if not isinstance(budget, int | float) or isinstance(budget, bool):
            raise DialectError("expected a number", path=f"{path}.thinkingBudget")
        if budget > 0:
            reasoning.budget_tokens, reasoning.enabled = int(budget), True
        else:
            reasoning.enabled = budget < 0
    if config.get("includeThoughts") is not None:
        reasoning.summary = "auto" if config["includeThoughts"] else "omitted"
        if config["includeThoughts"] and reasoning.enabled is None:
            reasoning.enabled = True
    return reasoning


def encode_thinking(reasoning: Reasoning | None, request_max: int | None, target: Target, losses: Losses) -> Any:
    """The `thinkingConfig`, or None. Quirks: `thinking` (`level`, `budget`, `none`), `thinking_levels`."""
    if reasoning is None:
        return None
    native = own(reasoning).get("_form")
    if native is not None and decode_thinking(native, "thinkingConfig") == reasoning:
        return native
    version = generation(target.model)
    style = target.quirks.get("thinking") or ("level" if version >= 3 else "budget" if version >= 2.5 else "none")
    if style == "none":
        if reasoning.enabled or reasoning.effort not in (None, "none"):
            losses.dropped("reasoning", "the model does not think")
        return None
    off = reasoning.enabled is False or reasoning.effort == "none"
    config: dict[str, Any] = {}
    if style == "level":
        _put_level(config, reasoning, off, target, losses)
    else:
        _put_budget(config, reasoning, off, request_max, target, losses)
    asked = off or reasoning.enabled or reasoning.effort is not None or reasoning.budget_tokens is not None
    if reasoning.summary is not None or (asked and not off):
        config = {"includeThoughts": not off and reasoning.summary not in ("omitted", "none"), **config}
    return config or None


def _put_level(config: dict[str, Any], reasoning: Reasoning, off: bool, target: Target, losses: Losses) -> None:
    effort = "none" if off else reasoning.effort
    if effort is None and reasoning.budget_tokens is not None:
        effort = effort_of_budget(reasoning.budget_tokens)
        losses.converted("reasoning.budget_tokens", f"level {effort}")
    if effort is None or effort not in EFFORTS:
        return
    levels = tuple(target.quirks.get("thinking_levels") or _of_model(_LEVELS_OF_MODELS, target.model))
    level = lower_effort(effort, levels)
    if level != effort:
        losses.clamped("reasoning.effort", f"{effort} became {level}")
    config["thinkingLevel"] = level.upper()


def _put_budget(
    config: dict[str, Any], reasoning: Reasoning, off: bool, request_max: int | None, target: Target, losses: Losses
) -> None:
    budget = 0 if off else reasoning.budget_tokens
    if budget is None and reasoning.effort is not None:
        budget = budget_of_effort(reasoning.effort, request_max)
        if budget is None and request_max is not None:
            budget = request_max // 4
    if budget is None:
        if reasoning.enabled:
            config["thinkingBudget"] = -1
        return
    least, most = _of_model(_BUDGETS_OF_MODELS, target.model)
    if not least <= budget <= most:
        path = "reasoning.effort" if off or reasoning.budget_tokens is None else "reasoning.budget_tokens"
        losses.clamped(path, f"{budget} became {max(least, min(most, budget))}")
    config["thinkingBudget"] = max(least, min(most, budget))


def _of_model(table: Any, model: str) -> Any:
    return next(value for prefix, value in table if prefix in model)
