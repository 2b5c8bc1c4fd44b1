"""What a model takes, by its name."""

from __future__ import annotations

import pytest

from llm_gateway_sdk.dialects.model_limits import ANY_MODEL, claude_name, limits_of, openai_version
from llm_gateway_sdk.model_facts import ModelFacts


@pytest.mark.parametrize(
    ("model", "line", "version"),
    [
        ("claude-3-7-sonnet-20250219", "sonnet", (3, 7)),
        ("claude-sonnet-4-20250514", "sonnet", (4, 0)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet", (4, 5)),
        ("anthropic/claude-opus-4.8", "opus", (4, 8)),
        ("claude-fable-5-1", "fable", (5, 1)),
        ("Claude-Opus-5-5", "opus", (5, 5)),
        ("anthropic.claude-v2:1", "", (2, 1)),
        ("anthropic.claude-instant-v1", "instant", (1, 0)),
        ("claude-instant", "instant", (1, 2)),
        ("claude-mythos-preview", "mythos", (99, 0)),
        ("claude", "", (99, 0)),
    ],
)
def test_the_name_of_a_claude(model: str, line: str, version: tuple[int, int]) -> None:
    name = claude_name(model)

    assert name is not None
    assert (name.line, name.version) == (line, version)


def test_other_models_are_no_claude() -> None:
    assert claude_name("gpt-5") is None
    assert limits_of("some-model") is ANY_MODEL


@pytest.mark.parametrize(
    ("model", "sampling"),
    [
        ("claude-3-5-haiku-latest", "all"),
        ("claude-opus-4-20250514", "all"),
        ("claude-opus-4-1-20250805", "one"),
        ("claude-haiku-4-5", "one"),
        ("claude-sonnet-4-6", "one"),
        ("claude-opus-4-7", "none"),
        ("claude-sonnet-5", "none"),
        ("claude-haiku-5-5", "none"),
        ("claude-mythos-preview", "none"),
        ("claude-opus-9", "none"),
        ("gpt-4.1", "all"),
        ("gpt-5", "none"),
        ("openai/gpt-5.6", "none"),
        ("gpt-5-chat-latest", "all"),
        ("o4-mini", "none"),
        ("gpt-oss-120b", "all"),
        ("gemini-3-pro", "all"),
    ],
)
def test_sampling(model: str, sampling: str) -> None:
    assert limits_of(model).sampling == sampling


@pytest.mark.parametrize(
    ("model", "forced"),
    [
        ("us.meta.llama3-3-70b-instruct-v1:0", False),
        ("cohere.command-r-plus-v1:0", False),
        ("amazon.nova-pro-v1:0", True),
        ("meta-llama/llama-3.3-70b", True),
    ],
)
def test_models_on_bedrock_that_can_be_made_to_call_a_tool(model: str, forced: bool) -> None:
    assert limits_of(model).forced_tools is forced


@pytest.mark.parametrize(
    ("model", "off", "forced"),
    [
        ("claude-opus-4-8", True, True),
        ("claude-opus-5", True, True),
        ("claude-opus-5-5", False, False),
        ("claude-opus-6", False, False),
        ("claude-fable-5", False, True),
        ("claude-fable-5-1", False, False),
        ("claude-sonnet-5-5", True, False),
        ("claude-sonnet-5", True, True),
        ("claude-haiku-5-5", True, True),
        ("claude-mythos-5", False, True),
        ("us.anthropic.claude-mythos-5-1", False, False),
        ("claude-fable-5-2", False, False),
        ("claude-opus", False, False),
    ],
)
def test_claudes_that_always_think(model: str, off: bool, forced: bool) -> None:
    limits = limits_of(model)

    assert (limits.thinking_off, limits.forced_tools) == (off, forced)


@pytest.mark.parametrize(
    ("model", "thinking", "structured", "prefill"),
    [
        ("claude-3-5-sonnet-20241022", "none", False, True),
        ("claude-3-7-sonnet-latest", "budget", False, True),
        ("claude-sonnet-4-20250514", "budget", False, True),
        ("claude-opus-4-1", "budget", True, True),
        ("claude-sonnet-4-5", "budget", True, True),
        ("claude-sonnet-4-6", "both", True, False),
        ("claude-opus-4-8", "adaptive", True, False),
    ],
)
def test_what_came_with_which_claude(model: str, thinking: str, structured: bool, prefill: bool) -> None:
    limits = limits_of(model)

    assert (limits.thinking, limits.structured, limits.prefill) == (thinking, structured, prefill)


def test_quirks_go_before_the_name() -> None:
    assert limits_of("claude-sonnet-4-5", {"no_sampling": True}).sampling == "none"
    assert limits_of("some-model", {"thinking": "adaptive"}).thinking == "adaptive"


def test_openais_models() -> None:
    assert openai_version("gpt-5.6-mini") == ("gpt", (5, 6))
    assert openai_version("o3") == ("o", (3, 0))
    assert openai_version("gpt-4o") is None
    assert not limits_of("o3").stop
    assert limits_of("gpt-5").stop
    assert limits_of("gpt-5.5").reasons
    assert limits_of("gpt-5.2").samples_unthinking


@pytest.mark.parametrize(
    ("model", "takes", "refuses"),
    [
        ("o3-mini", "low", "none"),
        ("gpt-5", "minimal", "xhigh"),
        ("gpt-5-codex", "low", "minimal"),
        ("gpt-5-pro", "high", "low"),
        ("openai/gpt-5.1", "none", "xhigh"),
        ("gpt-5.1-codex-max", "xhigh", "max"),
        ("gpt-5.2", "xhigh", "minimal"),
        ("gpt-5.6", "max", "minimal"),
    ],
)
def test_openais_models_know_words_for_how_much_to_reason(model: str, takes: str, refuses: str) -> None:
    efforts = limits_of(model).efforts

    assert takes in efforts
    assert refuses not in efforts


@pytest.mark.parametrize(
    ("model", "structured", "strict"),
    [
        ("claude-sonnet-4-20250514", False, False),
        ("claude-sonnet-4-5", True, True),
        ("gpt-3.5-turbo", False, True),
        ("gpt-35-turbo", False, True),
        ("openai/gpt-4", False, True),
        ("gpt-4-turbo-2024-04-09", False, True),
        ("gpt-4-32k-0613", False, True),
        ("gpt-4o-2024-05-13", False, True),
        ("gpt-4o-audio-preview", False, True),
        ("gpt-audio-mini", False, True),
        ("chatgpt-4o-latest", False, True),
        ("o1-mini", False, True),
        ("o1", True, True),
        ("gpt-4o", True, True),
        ("gpt-4o-mini", True, True),
        ("gpt-4o-2024-08-06", True, True),
        ("gpt-4.1-nano", True, True),
        ("gpt-4.5-preview", True, True),
        ("gpt-5.6", True, True),
        ("gpt-oss-120b", True, True),
    ],
)
def test_schemas_of_answers_and_strict_tools(model: str, structured: bool, strict: bool) -> None:
    limits = limits_of(model)

    assert (limits.structured, limits.strict_tools) == (structured, strict)


def test_a_vendors_no_to_schemas_is_believed_where_its_servers_refuse() -> None:
    facts = ModelFacts(name="m", vendor="openai", structured=False, strict_tools=True)

    assert not limits_of("gpt-6-pro", facts=facts).structured
    assert limits_of("gpt-6-pro", facts=facts).strict_tools
    assert limits_of("m", facts=ModelFacts(name="m", vendor="someone", structured=False)).structured


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("claude-sonnet-5", "disabled"),
        ("claude-sonnet-5-5", "between_tools"),
        ("anthropic/claude-sonnet-5.5", "between_tools"),
        ("us.anthropic.claude-sonnet-5-5-20260928-v1:0", "between_tools"),
        ("claude-sonnet-6", "between_tools"),
        ("claude-haiku-5-5", "disabled"),
        ("claude-opus-5", "disabled"),
    ],
)
def test_the_word_that_switches_thinking_off(model: str, form: str) -> None:
    assert limits_of(model).off_form == form


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("eu.anthropic.claude-opus-v1:0", (99, 0)),
        ("anthropic.claude-newest-v2:0", (99, 0)),
        ("anthropic.claude-v2:1", (2, 1)),
        ("anthropic.claude-instant-v1", (1, 0)),
        ("us.anthropic.claude-haiku-5-5-v1:0", (5, 5)),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", (3, 5)),
    ],
)
def test_the_number_of_a_name_is_not_that_of_the_model(model: str, version: tuple[int, int]) -> None:
    name = claude_name(model)

    assert name is not None
    assert name.version == version
