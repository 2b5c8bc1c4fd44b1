"""Writing `thinking` and `output_config.effort`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import (
    LLMRequest,
    Losses,
    Reasoning,
    Target,
)
from llm_gateway_sdk.dialects.model_limits import ModelLimits, claude_name
from llm_gateway_sdk.dialects.thinking import (
    MIN_BUDGET,
    budget_of_effort,
    effort_of_budget,
    forces_tool,
    is_off,
    is_wanted,
    lower_effort,
)
from llm_gateway_sdk.wire import json

from .messages import Turn
from .parts import (
    NAME,
    Block,
    encode_extras,
)

__all__ = ["ThinkingEncoder", "is_native", "without_refused_budget"]

_MODES = frozenset({"enabled", "adaptive", "disabled", "between_tools"})
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
# platform.claude.com, "Preserved thinking": the name of the beta feature with which the field goes.
_BINDING = "thinking-binding-controls-2026-08-01"
_EARLY_EFFORTS = ("low", "medium", "high", "max")


def is_native(reasoning: Reasoning) -> bool:
    """Whether a client of this dialect wrote it, which knows the forms that its model takes."""
    return reasoning.mode in _MODES or NAME in reasoning.provider_metadata


class ThinkingEncoder:
    """Writes how a model is to think. A client of this dialect knows which forms its model takes; others give an
    effort or a budget, which is brought into the form of the model."""

    def __init__(
        self, request: LLMRequest, target: Target, losses: Losses, limits: ModelLimits, betas: list[str]
    ) -> None:
        self.request = request
        self.target = target
        self.losses = losses
        self.limits = limits
        self.betas = betas
        """Names of beta features that the request asks for; those of its thinking are added."""
        self.native = bool(request.provider_metadata.get(NAME))

    def config(self, turns: list[Turn]) -> Block | None:
        """The field `thinking`; None leaves it out."""
        config = self._config(turns)
        if self.limits.binds_thinking and not self.native and _has_thinking(turns):
            # What a client of another API sends is not always what the model was sent before, word for word.
            config = {"type": "adaptive"} if config is None else config
            config.setdefault("block_binding", {"prefix_mismatch_behavior": "drop_block"})
            self.betas.append(_BINDING)
        return config

    def _config(self, turns: list[Turn]) -> Block | None:
        reasoning = self.request.reasoning
        if reasoning is None:
            return None
        config: Block | None
        if is_native(reasoning):
            if reasoning.mode is None:
                return None
            if reasoning.mode == "enabled" and self._lacks_thinking(turns):
                return None
            config = {"type": reasoning.mode}
            if reasoning.mode == "enabled":
                config["budget_tokens"] = reasoning.budget_tokens or self._budget(reasoning) or MIN_BUDGET
            elif reasoning.budget_tokens is not None:
                config["budget_tokens"] = reasoning.budget_tokens
            config = encode_extras(config, reasoning.provider_metadata)
        else:
            config = self._translated(reasoning, turns)
        if config is not None and reasoning.summary is not None and config["type"] in ("enabled", "adaptive"):
            config["display"] = "omitted" if reasoning.summary == "omitted" else "summarized"
        return config

    def _translated(self, reasoning: Reasoning, turns: list[Turn]) -> Block | None:
        """Other vendors' effort. What a model takes depends on its version (docs: build-with-claude/thinking)."""
        off = is_off(reasoning)
        if not off and not is_wanted(reasoning):
            return None
        form = self._form()
        if form == "none":
            if not off:
                self.losses.dropped("reasoning.effort", "this model does not think")
            return None
        if off:
            return {"type": self.limits.off_form} if self.limits.thinking_off else None
        if forces_tool(self.request.tool_choice):
            if form == "adaptive":
                # "Thinking with tool use": the models that take both skip the thinking; others answer with an error.
                self.losses.converted("reasoning.effort", "no thinking before a forced tool")
            else:
                self.losses.dropped("reasoning.effort", "thinking and a forced tool exclude each other")
            return None
        if form == "adaptive":
            return {"type": "adaptive"}
        budget = self._budget(reasoning)
        if budget is None:
            self.losses.dropped("reasoning.effort", "max_tokens leaves no room for thinking")
            return None
        if self._lacks_thinking(turns):
            return None
        if reasoning.budget_tokens is None and reasoning.effort is not None:
            self.losses.converted("reasoning.effort", f"{reasoning.effort} became a budget of {budget} tokens")
        return {"type": "enabled", "budget_tokens": budget}

    def _lacks_thinking(self, turns: list[Turn]) -> bool:
        """The API wants the thinking that led to the calls; a client of another dialect may not have kept it, and what
        another provider thought is not taken."""
        if not _unthought_calls([(turn.role, turn.blocks) for turn in turns]):
            return False
        self.losses.dropped("reasoning.effort", "tool calls in the history came without their thinking")
        return True

    def _budget(self, reasoning: Reasoning) -> int | None:
        most = self.request.max_tokens
        budget = reasoning.budget_tokens
        if budget is None or budget < 0:
            return budget_of_effort(reasoning.effort or "medium", most)
        if most is not None and most <= MIN_BUDGET:
            return None
        bounded = max(MIN_BUDGET, budget if most is None else min(budget, most - 1))
        if bounded != budget:
            self.losses.clamped("reasoning.budget_tokens", f"{budget} became {bounded}")
        return bounded

    def _form(self) -> str:
        """`budget`, `adaptive` or `none`: by the quirk `thinking`, else by the model."""
        form = self.limits.thinking
        if form == "both":
            return "adaptive"
        return "budget" if form == "unknown" else form

    def effort(self, reasoning: Reasoning, thinking: Block | None) -> str | None:
        """`output_config.effort`, next to what `thinking` already expresses."""
        effort = reasoning.effort
        if is_native(reasoning):
            return effort
        if self._form() != "adaptive" or (thinking is not None and thinking["type"] in ("disabled", "between_tools")):
            # The budget expresses it.
            return effort if thinking is None and self._speaks_effort(reasoning) else None
        if effort is None and reasoning.budget_tokens is not None and reasoning.budget_tokens > 0:
            effort = effort_of_budget(reasoning.budget_tokens)
            self.losses.converted("reasoning.budget_tokens", f"{reasoning.budget_tokens} became effort {effort}")
        if effort is None or effort == "none":
            return None
        lowered = lower_effort(effort, _EARLY_EFFORTS if self.limits.thinking == "both" else _EFFORTS)
        if lowered != effort:
            self.losses.converted("reasoning.effort", f"{effort} became {lowered}")
        return lowered

    def _speaks_effort(self, reasoning: Reasoning) -> bool:
        return self.target.quirks.get("effort") is True and reasoning.effort in _EFFORTS


def _has_thinking(turns: list[Turn]) -> bool:
    return any(block.get("type") in ("thinking", "redacted_thinking") for turn in turns for block in turn.blocks)


def _unthought_calls(turns: Sequence[tuple[Any, list[Block]]]) -> bool:
    """Whether the tool calls which the last message answers were made without thinking before them."""
    for role, blocks in reversed(turns):
        if role == "assistant":
            calls = any(block.get("type") == "tool_use" for block in blocks)
            return calls and blocks[0].get("type") not in ("thinking", "redacted_thinking")
        if role == "user" and not any(block.get("type") == "tool_result" for block in blocks):
            return False
    return False


def _blocks_of(message: dict[str, Any]) -> list[Block]:
    content = message.get("content")
    if not isinstance(content, list):
        return [{"type": "text"}]
    return [block for block in content if isinstance(block, dict)]


def without_refused_budget(body: bytes, model: str, losses: Losses) -> bytes:
    """A client's own request, without thinking by a budget where the calls that it answers came without thinking.

    Claude refuses that ("a final assistant message must start with a thinking block"), and a client whose calls were
    made by another vendor's model can't know. Where another server of this API is asked the body stays as it is.
    """
    if claude_name(model) is None:
        return body
    try:
        asked = json.loads(body)
    except ValueError:
        return body
    thinking, messages = (asked.get("thinking"), asked.get("messages")) if isinstance(asked, dict) else (None, None)
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled" or not isinstance(messages, list):
        return body
    turns = [(message.get("role"), _blocks_of(message)) for message in messages if isinstance(message, dict)]
    if not _unthought_calls(turns):
        return body
    losses.converted("reasoning", "disabled for this turn: tool calls in the history came without their thinking")
    return json.replace_top_level(body, {"thinking": {"type": "disabled"}})
