import pytest

from llm_gateway_sdk import ConfigError, Plugin, plugin_metadata
from llm_gateway_sdk.checks import check_plugin_class, check_schema, mistakes, prepare_config


def problems(**members):
    return list(mistakes(type("Mine", (Plugin,), members)))


def takes_nothing(self):
    pass


def takes_one(self, ctx):
    pass


def takes_more(self, ctx, other=None, *rest, **options):
    pass


async def later(self, phase, ctx):
    pass


def generator(self, ctx):
    yield


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("afterModel", "after_model"),
        ("before_modle", "before_model"),
        ("beforemodel", "before_model"),
        ("after_chunks", "after_chunk"),
        ("onModelError", "on_model_error"),
        ("validateConfig", "validate_config"),
        ("detached_after_reponse", "detached_after_response"),
    ],
)
def test_a_misspelt_hook_is_reported_with_file_and_line(name, meant):
    (message,) = problems(**{name: takes_one})

    assert f"`{name}`, which is never called; did you mean `{meant}`?" in message
    assert message.startswith(f"{__file__}:{takes_one.__code__.co_firstlineno}: ")


@pytest.mark.parametrize(
    "name",
    ["prepare", "before", "model", "_after_modle", "count_tokens", "closed", "on_chunk", "ask_model", "admin_app"],
)
def test_further_methods_are_not_a_mistake(name):
    assert problems(**{name: takes_one}) == []


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("after_model", takes_nothing, "must take (self, ctx), not (self)"),
        ("close", takes_one, "must take (self), not (self, ctx)"),
        ("before_model", generator, "must return its result"),
        ("wants", later, "must be a plain `def`"),
        ("configure", takes_one, "must be `async def`"),
    ],
)
def test_a_hook_that_can_not_be_called_is_reported(name, function, words):
    assert words in problems(**{name: function})[0]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("onStream", "whole", "did you mean `on_stream`?"),
        ("on_stream", "hold", "on_stream is 'skip', 'whole' or 'refuse', not 'hold'"),
        ("operations", "generate", "operations is a frozenset of generate"),
        ("operations", frozenset({"chat"}), "operations is a frozenset of generate"),
    ],
)
def test_a_setting_that_means_nothing_is_reported(name, value, words):
    assert words in problems(**{name: value})[0]


def test_further_optional_arguments_are_no_mistake():
    assert problems(before_model=takes_more, after_chunk=takes_one) == []


def test_an_inherited_mistake_is_found():
    base = type("Base", (Plugin,), {"afterModel": takes_one})

    assert len(list(mistakes(type("Mine", (base,), {})))) == 1


def test_the_error_for_a_class_without_metadata_shows_how_to_name_it():
    class Nameless(Plugin):
        pass

    (message,) = check_plugin_class(Nameless)

    assert "has no name: write @plugin_metadata(name=…)" in message
    assert __file__ in message


def test_an_empty_name_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match="needs a name"):
        plugin_metadata(name="")


def test_a_schema_that_is_not_a_schema_is_reported():
    @plugin_metadata(name="mine", configuration_schema={"type": "objekt"})
    class Mine(Plugin):
        pass

    (message,) = check_plugin_class(Mine)

    assert "the configuration schema is not a JSON Schema" in message
    assert "objekt" in message
    assert check_schema([]) == "it is list, not a dict"


@pytest.mark.parametrize(
    ("version", "advice"), [((0, 99), "update llm-gateway-sdk"), ((99, 0), "update llm-gateway-sdk")]
)
def test_the_error_for_a_plugin_of_newer_interfaces_names_the_update(version, advice):
    @plugin_metadata(name="mine")
    class Mine(Plugin):
        api_version = version

    (message,) = check_plugin_class(Mine)

    assert f"version {version[0]}.{version[1]} of the plugin interfaces" in message
    assert advice in message


def test_settings_are_handed_on_as_the_gateway_does():
    schema = {
        "type": "object",
        "properties": {
            "wait": {"type": "number", "x-duration": True},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        },
        "$defs": {"step": {"type": "object", "properties": {"after": {"type": "number", "x-duration": True}}}},
        "additionalProperties": False,
    }

    assert prepare_config(schema, {"wait": "1.5s", "steps": [{"after": "2m"}]}) == {
        "wait": 1500,
        "steps": [{"after": 120000}],
    }


@pytest.mark.parametrize("kind", ["number", "string", ["number", "string"]], ids=str)
def test_what_is_not_a_duration_is_refused_as_the_gateway_does(kind):
    schema = {
        "type": "object",
        "properties": {
            "wait": {"type": kind, "x-duration": True},
            "steps": {"type": "array", "items": {"type": kind, "x-duration": True}},
        },
    }

    with pytest.raises(ConfigError) as refused:
        prepare_config(schema, {"wait": "fast", "steps": ["later"]})

    assert [problem.path for problem in refused.value.problems] == ["config.wait", "config.steps.0"]
    assert all("is not a duration; write milliseconds" in problem.message for problem in refused.value.problems)
