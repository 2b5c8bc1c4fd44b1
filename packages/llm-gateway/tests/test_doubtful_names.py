from pathlib import Path

import pytest

from llm_gateway.loading import load, load_text

ROOT = Path(__file__).resolve().parents[3]
MODELS = "models: [{name: a, isDefault: true, provider: {type: echo}}, {name: b, provider: {type: echo}}]\n"
ROUTER = "plugins: [{name: r, type: model-router, config: CONFIG}]"


def notices(text, **environ):
    return load_text(text, environ=environ).notices


def model(kind, name, more=""):
    provider = f"{{type: {kind}, config: {{apiKey: k-1, model: {name}{more}}}}}"
    return f"models: [{{name: m, isDefault: true, provider: {provider}}}]"


@pytest.mark.parametrize(
    ("kind", "name", "vendor"),
    [
        ("anthropic", "gpt-4.1", "openai"),
        ("openai", "claude-sonnet-4-5-20250929", "anthropic"),
        ("openai", "gemini-2.5-pro", "gemini"),
        ("mistral", "grok-3", "xai"),
        ("deepseek", "mistral-large-latest", "mistral"),
    ],
)
def test_a_model_of_another_vendor(kind, name, vendor):
    (found,) = notices(model(kind, name))

    assert f'models[0].provider.config.model: "{name}" is a model of {vendor}; {kind} will answer' in found
    assert f"Write `type: {vendor}`" in found


def test_a_model_that_is_asked_for_by_its_name():
    (found,) = notices(
        "models: [{name: claude-sonnet-4-5, isDefault: true, provider: {type: openai, config: {apiKey: k}}}]"
    )

    assert 'models[0].name: "claude-sonnet-4-5" is a model of anthropic' in found


@pytest.mark.parametrize(
    ("kind", "name", "more"),
    [
        ("openai", "gpt-4.1", ""),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:org::id", ""),
        ("openai", "a-model-that-nobody-knows", ""),
        ("openai", "gpt-77-giant", ""),
        ("openai", "claude-sonnet-4-5", ", baseUrl: 'http://localhost:4000/v1'"),
        ("openrouter", "anthropic/claude-sonnet-4.5", ""),
        ("groq", "openai/gpt-oss-120b", ""),
    ],
)
def test_models_that_the_provider_has_or_may_have(kind, name, more):
    assert notices(model(kind, name, more)) == []


@pytest.mark.parametrize(
    ("config", "places"),
    [
        ("{model: a, fallbacks: [a, b]}", ["fallbacks[0]"]),
        ("{model: a, fallbacks: [b, b]}", ["fallbacks[1]"]),
        ("{model: a, fallbacks: [b, also-a]}", ["fallbacks[1]"]),
        ("{fallbacks: [a, b, a]}", ["fallbacks[2]"]),
        ("{models: [{name: a}, {name: b}], fallbacks: [b]}", ["fallbacks[0]"]),
        ("{model: a, fallbacks: [b]}", []),
        ("{models: [{name: a}], fallbacks: [b]}", []),
    ],
)
def test_a_fallback_that_has_been_asked_already(config, places):
    models = MODELS.replace("{name: a,", "{name: a, aliases: [also-a],")
    found = notices(models + ROUTER.replace("CONFIG", config))

    assert [notice.partition("config.")[2].partition(":")[0] for notice in found] == places
    assert all("has been asked before it comes here" in notice for notice in found)


CONDITION = "plugins: [{name: l, type: logger, conditions: CONDITION}]"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            "{paths: [/v1/mesages]}",
            'no path begins with "/v1/mesages": the plugin never runs for it. Did you mean "/v1/messages"?',
        ),
        ("{paths: [/v1/chat, /tema]}", 'conditions.paths[1]: no path begins with "/tema"'),
        ("{methods: [GTE]}", 'no method begins with "GTE"'),
    ],
)
def test_a_condition_that_nothing_can_meet(condition, words):
    (found,) = notices(MODELS + CONDITION.replace("CONDITION", condition))

    assert words in found


@pytest.mark.parametrize(
    "condition",
    [
        "{paths: [/v1/chat]}",
        "{paths: [/chat/completions/]}",
        "{paths: [/]}",
        "{paths: [/openai, /default/openai/v1]}",
        "{paths: [/v1/models/gpt]}",
        "{paths: [/v1/projects/x/locations]}",
        "{paths: ['/mesages/']}",
        "{methods: [post, GET]}",
        "{models: [claude-]}",
    ],
)
def test_conditions_that_a_request_may_meet(condition):
    assert notices(MODELS + CONDITION.replace("CONDITION", condition)) == []


def test_a_condition_on_models_where_only_the_configured_ones_are_answered():
    models = "strictModels: true\nmodels: [{name: gpt, aliases: ['gpt-4*'], isDefault: true, provider: {type: echo}}]\n"

    assert notices(models + CONDITION.replace("CONDITION", "{models: [g, gpt-4o]}")) == []
    (found,) = notices(models + CONDITION.replace("CONDITION", "{models: [clade]}"))
    assert 'no model begins with "clade"' in found
    router = "{name: r, type: model-router, config: {model: gpt}}"
    assert (
        notices(models + CONDITION.replace("CONDITION", "{models: [clade]}").replace("[{", f"[{router}, {{", 1)) == []
    )


def test_what_several_projects_inherit_is_doubtful_where_none_can_meet_it():
    projects = "\nprojects: [{name: team}, {name: other}]"

    assert notices(MODELS + CONDITION.replace("CONDITION", "{paths: [/team/v1/chat]}") + projects) == []
    (found,) = notices(MODELS + CONDITION.replace("CONDITION", "{paths: [/third/v1/chat]}") + projects)
    assert 'no path begins with "/third/v1/chat"' in found


LIMIT = "limits: [{name: x, requests: 10, window: 1m, when: WHEN}]"


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("{models: [a, aa]}", 'when.models[1]: no model is called "aa", so that this holds only where a client asks'),
        ("{models: 'c*'}", 'when.models: no model is called "c*"'),
        ("{projects: [nobody]}", 'no project is called "nobody", so that this never holds'),
        ("{providers: [openia]}", 'no provider is called "openia"'),
        ("{operations: [genrate]}", 'Did you mean "generate"?'),
    ],
)
def test_a_limit_on_what_does_not_exist(when, words):
    (found,) = notices(MODELS + LIMIT.replace("WHEN", when))

    assert words in found


@pytest.mark.parametrize(
    "when", ["{models: a}", "{models: ['*', /x/]}", "{projects: default}", "{providers: ec*}", "{teams: [any]}"]
)
def test_limits_that_may_hold(when):
    assert notices(MODELS + LIMIT.replace("WHEN", when)) == []


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("examples/**/*gateway*.yaml")), ids=lambda file: str(file.parent.name)
)
def test_no_example_has_a_doubtful_name(file):
    """Neither has what other people write as these do."""
    words = ("is a model of", "begins with", "is called", "has been asked")
    found = load(file, environ=AnyValue()).notices

    assert [notice for notice in found if any(word in notice for word in words)] == []


class AnyValue(dict):
    """An environment in which each variable is set."""

    def __missing__(self, name):
        return "http://localhost" if name.endswith("URL") else f"value-of-{name}"

    def get(self, name, default=None):
        return self[name]

    def __contains__(self, name):
        return True
