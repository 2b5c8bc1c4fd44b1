import pytest

from llm_gateway.config.inherit import default_project, inherit
from llm_gateway.config.schema import GatewayFile, ProjectSettings

ECHO = {"type": "echo"}


def project(default, own):
    file = GatewayFile.model_validate(default)
    return inherit(file, ProjectSettings.model_validate({"name": "own", **own}), adapters=["anthropic", "openai"])


def names(entries):
    return [entry.name for entry in entries]


@pytest.mark.parametrize(
    ("inherited", "own", "expected"),
    [
        (["a", "b"], [], ["a", "b"]),
        ([], ["c"], ["c"]),
        (["a", "b"], ["c"], ["a", "b", "c"]),
        (["a", "b", "c"], ["d", "b"], ["a", "b", "c", "d"]),
    ],
)
def test_models_and_plugins_are_the_defaults_then_the_projects_own(inherited, own, expected):
    def level(entries):
        return {
            "models": [{"name": name, "provider": ECHO} for name in entries],
            "plugins": [{"name": name, "type": "logger"} for name in entries],
        }

    result = project(level(inherited), level(own))

    assert names(result.models) == expected
    assert names(result.plugins) == expected


def test_the_same_name_replaces_in_the_defaults_position():
    result = project(
        {"plugins": [{"name": "a", "type": "logger"}, {"name": "b", "type": "logger"}]},
        {"plugins": [{"name": "a", "type": "model-router"}]},
    )

    assert [plugin.type for plugin in result.plugins] == ["model-router", "logger"]


def test_plugins_run_by_priority_then_in_file_order_and_disabled_ones_not_at_all():
    result = project(
        {"plugins": [{"name": "late", "type": "x"}, {"name": "first", "type": "x", "priority": 1}]},
        {"plugins": [{"name": "last", "type": "x"}, {"name": "off", "type": "x", "enabled": False}]},
    )

    assert names(result.plugins) == ["first", "late", "last"]


def test_a_project_can_switch_an_inherited_plugin_off():
    result = project(
        {"plugins": [{"name": "a", "type": "x"}]}, {"plugins": [{"name": "a", "type": "x", "enabled": False}]}
    )

    assert result.plugins == []


@pytest.mark.parametrize(
    ("inherited", "own", "expected"),
    [
        ({"a": True}, {}, "a"),
        ({"a": True}, {"b": True}, "b"),
        ({"a": True}, {"b": None}, "a"),
        ({"a": True}, {"a": None}, "a"),
        ({"a": True}, {"a": False}, None),
        ({"a": None}, {}, None),
        ({}, {"b": True}, "b"),
    ],
)
def test_the_projects_own_default_model_wins(inherited, own, expected):
    def level(models):
        return {"models": [{"name": name, "isDefault": default, "provider": ECHO} for name, default in models.items()]}

    assert project(level(inherited), level(own)).default_model == expected


@pytest.mark.parametrize(
    ("key", "attribute", "inherited", "own", "builtin"),
    [
        ("strict", "strict", True, False, False),
        ("strictModels", "strict_models", True, False, False),
        ("maxRetries", "max_retries", 5, 1, 3),
        ("maxTurns", "max_turns", 5, 0, 10),
        ("requestTimeout", "request_timeout_seconds", 5000, 7000, 600.0),
        ("nativePaths", "native_paths", ["/v1/files"], [], []),
        ("allowUnseenNative", "allow_unseen_native", True, False, False),
    ],
)
def test_single_settings_are_the_projects_else_the_defaults_else_built_in(key, attribute, inherited, own, builtin):
    def seen(default, project_own):
        value = getattr(project(default, project_own), attribute)
        return value * 1000 if attribute.endswith("_seconds") and value != builtin else value

    assert seen({key: inherited}, {key: own}) == own
    assert seen({key: inherited}, {}) == inherited
    assert seen({}, {}) == builtin


def test_adapters_are_all_that_are_installed_unless_written():
    assert names(project({}, {}).adapters) == ["anthropic", "openai"]
    assert names(project({"adapters": [{"name": "openai"}]}, {}).adapters) == ["openai"]
    assert names(project({"adapters": [{"name": "openai"}]}, {"adapters": []}).adapters) == []
    assert names(project({"adapters": [{"name": "openai", "enabled": False}]}, {}).adapters) == []


def test_the_default_project_inherits_nothing():
    file = GatewayFile.model_validate({"models": [{"name": "a", "isDefault": True, "provider": ECHO}], "maxRetries": 1})

    result = default_project(file, adapters=["openai"])

    assert (result.name, result.is_default_project, result.default_model, result.max_retries) == (
        "default",
        True,
        "a",
        1,
    )


def test_models_are_found_by_name_then_alias_then_pattern():
    result = project(
        {
            "models": [
                {"name": "any", "aliases": ["gpt-*"], "provider": ECHO},
                {"name": "exact", "aliases": ["gpt-4o"], "provider": ECHO},
                {"name": "gpt-5", "provider": ECHO},
            ]
        },
        {},
    )

    def found(name):
        model = result.model(name)
        return model.name if model else None

    assert [found(name) for name in ("gpt-5", "gpt-4o", "gpt-4", "claude")] == ["gpt-5", "exact", "any", None]
