"""A request within the limits of its model: sampling, stop words, thinking, forced tools, output schemas, prefill."""

from __future__ import annotations

from typing import Any

from ..losses import Losses
from ..parts import TextPart
from ..reasoning import EFFORTS, lower_effort
from ..request import LLMRequest, Message, OpaqueTool, Reasoning, ToolChoice, ToolLike
from ..values import replace
from ..wire import json
from .history import CONTINUE
from .model_limits import ModelLimits

__all__ = ["JSON_SCHEMA", "fit_model", "instructed"]

JSON_SCHEMA = "Answer with one JSON value and nothing else; it must be valid against this JSON Schema:\n"
_SYSTEM = ("system", "developer")


def fit_model(request: LLMRequest, limits: ModelLimits, losses: Losses) -> LLMRequest:
    """The request as the model takes it; the same object where it does so already."""
    changes: dict[str, Any] = {}
    instructions: list[str] = []
    if _samples(request):
        _fit_sampling(request, limits, losses, changes)
    if request.stop and not limits.stop:
        losses.dropped("stop", "the model takes no stop sequences")
        changes["stop"] = []
    if request.reasoning is not None and not limits.thinks:
        if _asks_for_thinking(request.reasoning):
            losses.dropped("reasoning", "the model does not reason")
        changes["reasoning"] = None
    elif request.reasoning is not None and (limits.efforts or not limits.thinking_off):
        reasoning = request.reasoning
        if not limits.thinking_off:
            reasoning = _thinking(reasoning, losses)
        if limits.efforts:
            reasoning = _known_effort(reasoning, limits.efforts, losses)
        if reasoning is not request.reasoning:
            changes["reasoning"] = reasoning
    choice = request.tool_choice
    if choice is not None and not limits.forced_tools and is_forced(choice):
        losses.converted("tool_choice", "asked for in the system prompt: the model takes no forced tool")
        instructions.append(_forcing(choice))
        changes["tool_choice"] = _left_to_the_model(choice)
    if not limits.structured or not limits.strict_tools:
        _fit_structure(request, limits, losses, changes, instructions)
    messages = request.messages
    if instructions:
        messages = instructed(messages, instructions)
    if not limits.prefill and messages and messages[-1].role == "assistant":
        losses.converted("messages", "a turn of the user's last: the model continues no answer")
        messages = [*messages, Message("user", [TextPart(CONTINUE)])]
    if messages is not request.messages:
        changes["messages"] = messages
    return replace(request, **changes) if changes else request


def is_forced(choice: ToolChoice) -> bool:
    """Whether the model must call a tool."""
    return choice.mode in ("required", "tool") or (choice.mode == "allowed" and choice.allowed_mode == "required")


def _samples(request: LLMRequest) -> bool:
    """Whether anything is asked for that a model may not take: without a call, since nearly no request does."""
    return (
        request.temperature is not None
        or request.top_p is not None
        or request.top_k is not None
        or request.frequency_penalty is not None
        or request.presence_penalty is not None
        or request.logprobs is not None
        or request.top_logprobs is not None
    )


def _fit_sampling(request: LLMRequest, limits: ModelLimits, losses: Losses, changes: dict[str, Any]) -> None:
    reasoning = request.reasoning
    unthinking = reasoning is not None and (reasoning.effort == "none" or reasoning.enabled is False)
    if limits.samples_unthinking and unthinking:
        return
    if limits.sampling == "none":
        for name in ("temperature", "top_p", "top_k"):
            value = getattr(request, name)
            if value is not None:
                # At 1 it is what the model does anyway.
                if (name, value) not in _DEFAULTS:
                    losses.dropped(name, "the model does not take it")
                changes[name] = None
    elif limits.sampling == "one" and request.temperature is not None and request.top_p is not None:
        losses.dropped("top_p", "the model takes temperature or top_p")
        changes["top_p"] = None
    if not limits.penalties:
        for name in ("frequency_penalty", "presence_penalty", "logprobs", "top_logprobs"):
            if getattr(request, name):
                losses.dropped(name, "the model does not take it")
                changes[name] = None


_DEFAULTS = frozenset({("temperature", 1), ("top_p", 1)})


def _thinking(reasoning: Reasoning, losses: Losses) -> Reasoning:
    """A model that always thinks thinks as little as it can where it should not think at all."""
    if reasoning.enabled is not False and reasoning.effort != "none" and reasoning.budget_tokens != 0:
        return reasoning
    losses.converted("reasoning.effort", "low: the model always thinks")
    return Reasoning(effort="low", summary=reasoning.summary)


def _asks_for_thinking(reasoning: Reasoning) -> bool:
    if reasoning.enabled is False or reasoning.effort == "none":
        return False
    return bool(reasoning.enabled or reasoning.effort or reasoning.budget_tokens)


def _known_effort(reasoning: Reasoning, known: tuple[str, ...], losses: Losses) -> Reasoning:
    """With an effort that the model knows: the nearest below the one asked for, none for a word of another vendor's."""
    effort = reasoning.effort
    if effort is None or effort in known:
        return reasoning
    if effort not in EFFORTS:
        losses.dropped("reasoning.effort", f"'{effort}'"[:40])
        return replace(reasoning, effort=None)
    nearest = lower_effort(effort, known)
    losses.clamped("reasoning.effort", f"{effort} became {nearest}")
    return replace(reasoning, effort=nearest)


def _forcing(choice: ToolChoice) -> str:
    if choice.mode == "tool":
        return f"You must answer by calling the tool `{choice.name}`."
    if choice.mode == "allowed":
        return "You must answer by calling one of these tools: " + ", ".join(f"`{name}`" for name in choice.names) + "."
    return "You must answer by calling one of the tools."


def _left_to_the_model(choice: ToolChoice) -> ToolChoice:
    if choice.mode == "allowed":
        return ToolChoice("allowed", names=choice.names, allowed_mode="auto")
    return ToolChoice("auto")


def _fit_structure(
    request: LLMRequest, limits: ModelLimits, losses: Losses, changes: dict[str, Any], instructions: list[str]
) -> None:
    wanted = request.response_format
    if not limits.structured and wanted is not None and wanted.kind == "json_schema" and wanted.schema is not None:
        losses.converted("response_format", "asked for in the system prompt: the model takes no output schema")
        instructions.append(JSON_SCHEMA + json.dumps_text(wanted.schema))
        changes["response_format"] = None
    if not limits.strict_tools and any(_is_strict(tool) for tool in request.tools):
        losses.dropped("tools[*].strict", "the model has no strict tools")
        changes["tools"] = [_loose(tool) for tool in request.tools]


def _is_strict(tool: ToolLike) -> bool:
    return not isinstance(tool, OpaqueTool) and bool(tool.strict)


def _loose(tool: ToolLike) -> ToolLike:
    return tool if isinstance(tool, OpaqueTool) or not tool.strict else replace(tool, strict=None)


def instructed(messages: list[Message], instructions: list[str], role: str = "system") -> list[Message]:
    """The messages with further system texts after the leading ones."""
    place = 0
    while place < len(messages) and messages[place].role in _SYSTEM:
        place += 1
    system = [Message(role, [TextPart(text)]) for text in instructions]
    return [*messages[:place], *system, *messages[place:]]
