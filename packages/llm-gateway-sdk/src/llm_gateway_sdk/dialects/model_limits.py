"""What a model takes, as far as its name shows: one table for every dialect in which the model can be asked.

A model without a number in its name counts as the newest of its family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from ..model_facts import ModelFacts

__all__ = ["ANY_MODEL", "ClaudeName", "ModelLimits", "claude_name", "limits_of", "openai_version"]

Thinking = Literal["unknown", "none", "budget", "both", "adaptive"]


@dataclass(slots=True, frozen=True)
class ModelLimits:
    """The defaults take everything."""

    sampling: Literal["all", "one", "none"] = "all"
    """`one`: temperature or top_p, not both."""
    samples_unthinking: bool = False
    """With the effort `none` sampling is taken all the same."""
    penalties: bool = True
    """Takes frequency and presence penalties and log probabilities."""
    stop: bool = True
    thinking: Thinking = "unknown"
    """The forms of Claude's thinking: by a budget, adaptive, or both."""
    thinks: bool = True
    """Takes a wish for reasoning, of whatever form."""
    thinking_off: bool = True
    """Thinking can be switched off."""
    off_form: Literal["disabled", "between_tools"] = "disabled"
    """The word by which Claude's thinking is switched off."""
    binds_thinking: bool = False
    """Refuses signed thinking where the conversation before it is not the one that led to it."""
    forced_tools: bool = True
    """A tool can be forced."""
    structured: bool = True
    """Takes output schemas."""
    json_mode: bool = True
    """Takes the wish for JSON of any form."""
    strict_tools: bool = True
    prefill: bool = True
    """The conversation may end with a turn of the assistant's."""
    checked_labels: bool = True
    """Types of images are compared with their bytes, where the API does so."""
    efforts: tuple[str, ...] = ()
    """The words for how much to reason that it takes; empty takes any."""
    reasons: bool = False
    """Reasons as OpenAI's models do, which take tools and reasoning together only at the Responses API."""
    only_responses: bool = False
    """OpenAI serves it at the Responses API alone."""
    max_output: int | None = None
    """The most tokens of an answer, thinking included."""
    ceiling: int | None = None
    """The same, where asking for more is an error."""
    parallel_tools: bool = True
    """Takes the setting whether several tools may be called at a time."""
    json_with_tools: bool = True
    """Takes the form of its answer together with tools."""
    images: int | None = None
    """The most images of a request, where the model takes fewer than others of its API."""
    bounded_context: int | None = None
    """The context in tokens, where a conversation and the bound of the answer together may not exceed it."""


ANY_MODEL = ModelLimits()
_UNTHINKING = ModelLimits(thinks=False)


@dataclass(slots=True, frozen=True)
class ClaudeName:
    line: str
    """`opus`, `sonnet`, `haiku`, `fable`, `mythos`, or an empty string."""
    version: tuple[int, int]
    """(4, 6) of `claude-opus-4-6`; (99, 0) of a name without a number."""


_LINES = ("opus", "sonnet", "haiku", "fable", "mythos", "instant")
# claude-3-7-sonnet-…, claude-opus-4-6, claude-sonnet-4-20250514 (a date is not a minor version), claude-v2:1,
# claude-2.1. The `v1` of anthropic.claude-opus-v1:0 is of the name, not of the model.
_NUMBER = re.compile(r"claude-(?:(?:instant-)?v|(?:[a-z]+-){0,6})(\d{1,2})(?:[-.:](\d{1,2}))?(?!\d)")


@lru_cache(maxsize=512)
def claude_name(model: str) -> ClaudeName | None:
    """What the name of a Claude shows, on any platform; None for other models."""
    name = model.lower()
    place = name.find("claude")
    if place < 0:
        return None
    line = next((line for line in _LINES if line in name[place:]), "")
    match = _NUMBER.search(name, place)
    if match is None:
        return ClaudeName(line, (1, 2) if line == "instant" else (99, 0))
    return ClaudeName(line, (int(match[1]), int(match[2] or 0)))


def _claude_limits(claude: ClaudeName) -> ModelLimits:
    line, version = claude.line, claude.version
    always = line in ("fable", "mythos") or (line == "opus" and version >= (5, 5))
    unforced = version >= _UNFORCED.get(line, _NEVER)
    # platform.claude.com, "What's new in Claude 4.7": sampling parameters are removed. From 4.1 on temperature and
    # top_p exclude each other. "What's new in Opus 5.5": thinking cannot be disabled, forced tool use is an error, both
    # as with Fable 5.1. "Structured outputs": Claude 4.5 and newer, and Opus 4.1. "Extended thinking". "What's
    # new in Claude Sonnet 5.5": `disabled` is an error, `between_tools` the lowest setting, and tools can't be forced.
    # "Migrate to Claude Fable 5": on it and on Mythos 5 thinking is always on.
    ceiling = _claude_ceiling(line, version)
    structured = version >= (4, 5) or (line == "opus" and version >= (4, 1))
    sampling: Literal["all", "one", "none"] = "all"
    if version >= (4, 7) or line in ("fable", "mythos"):
        sampling = "none"
    elif version >= (4, 1):
        sampling = "one"
    return ModelLimits(
        sampling=sampling,
        thinking=_claude_thinking(version),
        thinking_off=not always,
        off_form="between_tools" if line == "sonnet" and version >= (5, 5) else "disabled",
        # platform.claude.com, "Preserved thinking": Fable runs the check from 5.1 on, Mythos does not.
        binds_thinking=line == "fable" and version >= (5, 1),
        forced_tools=not unforced,
        structured=structured,
        strict_tools=structured,
        prefill=version < (4, 6),
        # Claude 3.5 takes an image under another image's type; newer ones compare the two.
        checked_labels=version >= (3, 7),
        max_output=ceiling,
        ceiling=None if version[0] == 99 else ceiling,
        # "Vision": 600 images, 100 of models with a context of 200,000 tokens.
        images=100 if version < (4, 6) else None,
        # From 4.5 on an answer may be asked for that is longer than what is left ("Context windows").
        bounded_context=200_000 if version < (4, 5) else None,
    )


# platform.claude.com, "Thinking with tool use": the Claudes that answer a forced tool with an error, by line.
_UNFORCED = {"opus": (5, 5), "sonnet": (5, 5), "fable": (5, 1), "mythos": (5, 1)}
_NEVER = (1000, 0)


def _claude_thinking(version: tuple[int, int]) -> Thinking:
    if version < (3, 7):
        return "none"
    if version < (4, 6):
        return "budget"
    return "both" if version < (4, 7) else "adaptive"


# platform.claude.com, "Models overview": maximum output, by line and from which version on.
_CLAUDE_CEILINGS: tuple[tuple[str, tuple[int, int], int], ...] = (
    ("", (0, 0), 4096),
    ("", (3, 5), 8192),
    ("", (3, 7), 64000),
    ("opus", (4, 0), 32000),
    ("opus", (4, 5), 64000),
    ("opus", (4, 6), 128000),
    ("sonnet", (5, 0), 128000),
    ("fable", (5, 0), 128000),
    ("mythos", (5, 0), 128000),
)


def _claude_ceiling(line: str, version: tuple[int, int]) -> int:
    ceiling = 4096
    for which, since, most in _CLAUDE_CEILINGS:
        if version >= since and which in ("", line):
            ceiling = most
    return ceiling


# OpenAI.

_OPENAI = re.compile(r"(?:^|[/.:])(?:(o)(\d)|gpt-(\d+)(?:\.(\d+))?)(?=$|[-:@])(?!.*-chat)")


# "This model is only supported in v1/responses and not in v1/chat/completions" (the API's own answer).
_ONLY_RESPONSES = re.compile(
    r"(?:^|[/.:])(?:codex-mini|computer-use-preview|(?:o\d|gpt-5(?:\.\d+)?)(?:-mini)?-(?:codex|pro|deep-research))"
)
# codex-mini-latest is a version of o4-mini.
_CODEX_MINI = re.compile(r"(?:^|[/.:])codex-mini(?=$|[-:@])")


# gpt-4o, gpt-5-chat-latest, chatgpt-4o-latest: they refuse the fields of reasoning.
_MADE_FOR_CHATGPT = re.compile(r"(?:^|[/.:])(?:chatgpt-|gpt-[34](?!\d)|gpt-\d+(?:\.\d+)?-chat)")


# OpenAI, "Structured outputs": schemas of answers from gpt-4o-2024-08-06 on. Older models, those made for ChatGPT, and
# those that speak refuse them; strict tools they take.
_WITHOUT_SCHEMAS = re.compile(
    r"(?:^|[/.:])(?:gpt-3(?!\d)|gpt-35|gpt-4(?!\d)(?!\.|o|-1(?!106))|gpt-4o-2024-05-13|gpt-4o(?:-mini)?-audio|gpt-audio"
    r"|chatgpt-4o|o1-mini|o1-preview)"
)


# OpenAI, "JSON mode": from gpt-4-turbo and gpt-3.5-turbo-1106 on; o1-mini and o1-preview have none. Older models answer
# "'response_format' of type 'json_object' is not supported with this model".
_WITHOUT_JSON_MODE = re.compile(
    r"(?:^|[/.:])(?:gpt-4(?:-0314|-0613|-32k|-1106-vision|-vision)?(?![\w.]|-(?!0314|0613|32k|vision))"
    r"|gpt-3(?:\.?5)-turbo(?:-0301|-0613|-16k|-instruct)|o1-mini|o1-preview)"
)


@lru_cache(maxsize=512)
def openai_version(model: str) -> tuple[str, tuple[int, int]] | None:
    """(`o`, (3, 0)) of o3, (`gpt`, (5, 6)) of gpt-5.6; None for other models and for those made for ChatGPT."""
    match = _OPENAI.search(model.lower())
    if match is None:
        return ("o", (4, 0)) if _CODEX_MINI.search(model.lower()) else None
    if match[1]:
        return "o", (int(match[2]), 0)
    return "gpt", (int(match[3]), int(match[4] or 0))


def _openai_efforts(model: str, line: str, version: tuple[int, int]) -> tuple[str, ...]:
    """OpenAI, "Reasoning models" and the model pages: `none` came with gpt-5.1 and took the place of `minimal`, `xhigh`
    with gpt-5.1-codex-max, `max` with gpt-5.6."""
    if line == "o":
        return ("low", "medium", "high")
    if version < (5, 1):
        if "-pro" in model:
            return ("high",)
        return ("low", "medium", "high") if "-codex" in model else ("minimal", "low", "medium", "high")
    if version < (5, 2) and "-codex-max" not in model:
        return ("none", "low", "medium", "high")
    known = ("none", "low", "medium", "high", "xhigh")
    return known if version < (5, 6) else (*known, "max")


def _openai_limits(model: str, line: str, version: tuple[int, int]) -> ModelLimits:
    if line == "gpt" and version < (5, 0):
        return _UNTHINKING
    # OpenAI, "Reasoning models": temperature, top_p, penalties and log probabilities are not supported; from gpt-5.1 on
    # they are with the effort `none`. `stop`: "Not supported with latest reasoning models o3 and o4-mini".
    return ModelLimits(
        sampling="none",
        samples_unthinking=line == "gpt" and version >= (5, 1),
        penalties=False,
        stop=not (line == "o" and version >= (3, 0)),
        efforts=_openai_efforts(model, line, version),
        # "Unsupported parameter: 'parallel_tool_calls' is not supported with this model" (the API's own answer).
        parallel_tools=line != "o",
        reasons=True,
    )


# Gemini's own answer: "Function calling with a response mime type: 'application/json' is unsupported". From Gemini 3 on
# both go together ("Structured outputs with tools").
_GEMINI_2 = re.compile(r"gemini-[12](?:\.\d+)?(?!\d)")
_JSON_OR_TOOLS = ModelLimits(json_with_tools=False)


# Amazon's names: "This model doesn't support the toolConfig.toolChoice.any field" (Bedrock's own answer). AWS, Bedrock
# Runtime API reference, ToolChoice, has Claude, Nova and Mistral as models that can be made to call a tool.
_UNFORCED_ON_BEDROCK = re.compile(r"(?:^|[./])(?:meta\.llama|cohere\.command|ai21\.jamba)")


@lru_cache(maxsize=512)
def _of_name(model: str) -> ModelLimits:
    claude = claude_name(model)
    if claude is not None:
        return _claude_limits(claude)
    openai = openai_version(model)
    if _GEMINI_2.search(model):
        return _JSON_OR_TOOLS
    if _UNFORCED_ON_BEDROCK.search(model):
        return ModelLimits(forced_tools=False)
    if openai is not None:
        limits = _openai_limits(model.lower(), *openai)
        if _ONLY_RESPONSES.search(model.lower()):
            limits = replace(limits, only_responses=True)
    elif _ONLY_RESPONSES.search(model.lower()):
        limits = ModelLimits(only_responses=True)
    else:
        limits = _UNTHINKING if _MADE_FOR_CHATGPT.search(model.lower()) else ANY_MODEL
    if _WITHOUT_SCHEMAS.search(model.lower()):
        limits = replace(limits, structured=False)
    return replace(limits, json_mode=False) if _WITHOUT_JSON_MODE.search(model.lower()) else limits


def limits_of(model: str, quirks: Mapping[str, Any] | None = None, facts: ModelFacts | None = None) -> ModelLimits:
    """The limits of a model by its name, by what is known about it, and by the quirks `no_sampling` and `thinking` of
    its target. Quirks go before facts, facts before what the name suggests."""
    limits = _of_name(model)
    changes: dict[str, Any] = {}
    if facts is not None and facts.assumed_from is None:
        _add_facts(facts, limits, changes)
    if quirks:
        if quirks.get("no_sampling"):
            changes["sampling"] = "none"
        if quirks.get("thinking") in ("budget", "adaptive", "none"):
            changes["thinking"] = quirks["thinking"]
    if not changes:
        return limits
    changed = replace(limits, **changes)
    if changed == limits:
        return limits
    return ANY_MODEL if changed == ANY_MODEL else changed


_PROMISES = ("structured", "strict_tools", "prefill")
_REFUSING = ("anthropic", "openai", "google")
"""Vendors that answer with an error where a model of theirs does not have a feature."""


def _add_facts(facts: ModelFacts, limits: ModelLimits, changes: dict[str, Any]) -> None:
    for name, value in (
        ("sampling", facts.sampling),
        ("penalties", facts.penalties),
        ("stop", facts.stop),
        ("forced_tools", facts.forced_tools),
        ("structured", facts.structured),
        ("strict_tools", facts.strict_tools),
        ("prefill", facts.prefill),
    ):
        # Servers often take more than their documents promise: only where refusals are known, or the operator asks for
        # it, is a request rewritten.
        if name in _PROMISES and not (facts.vendor in _REFUSING or facts.source == "configuration"):
            continue
        if value is not None:
            changes[name] = value
    if facts.max_output is not None and (limits.max_output is not None or facts.source == "configuration"):
        changes["max_output"] = facts.max_output
    if facts.max_output is not None and facts.vendor in (*_REFUSING, "amazon"):
        changes["ceiling"] = facts.max_output
    if facts.parallel_tools is not None and facts.vendor == "openai":
        changes["parallel_tools"] = facts.parallel_tools
    if facts.context_window is not None and limits.images is not None and facts.context_window > 200_000:
        changes["images"] = None
    thinking = facts.thinking
    if thinking is None:
        return
    changes["thinks"] = bool(thinking)
    changes["thinking_off"] = "always" not in thinking
    if "budget" in thinking or "adaptive" in thinking:
        only = "budget" if "budget" in thinking else "adaptive"
        changes["thinking"] = "both" if {"budget", "adaptive"} <= thinking else only
    elif limits.thinking != "unknown":
        changes["thinking"] = "none"
