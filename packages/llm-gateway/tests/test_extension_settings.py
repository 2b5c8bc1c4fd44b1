import jsonschema
import pytest

from llm_gateway.extension_settings import check_by_itself, check_schema
from llm_gateway.extensions import KINDS, Extension, installed
from llm_gateway_sdk import Plugin, plugin_metadata


def extension(schema, **methods):
    cls = plugin_metadata(name="mine", configuration_schema=schema)(type("Mine", (Plugin,), methods))
    return Extension("plugin", "mine", cls, "test")


def words(schema, settings):
    return check_schema(extension(schema), settings)


def test_schemas_that_come_with_the_gateway_are_valid():
    """They are not checked at each start."""
    extensions = installed()
    own = [found for kind in KINDS for name in extensions.names(kind) if (found := extensions.get(kind, name))]

    assert {each.distribution for each in own} > {"llm-gateway"}
    for each in own:
        jsonschema.Draft202012Validator.check_schema(each.schema)


def test_a_schema_of_a_plugin_that_is_not_valid_is_the_plugins_mistake():
    ((place, message),) = words({"type": "objekt"}, {})

    assert place == ()
    assert 'the plugin "mine" (test) has a configuration schema that is not a JSON Schema' in message


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "string"}, 3, "expected text, found 3; put the number in quotes"),
        ({"type": ["string", "null"]}, [1], "expected text or nothing, found a list"),
        ({"type": "integer"}, "x", 'expected a whole number, found "x"'),
        ({"enum": ["request", "both"]}, "requst", 'expected request or both, found "requst"; did you mean "request"?'),
        ({"type": "number", "minimum": 0}, -1, "expected 0 or more, found -1"),
        ({"type": "string", "minLength": 1}, "", 'expected some text, found ""'),
        ({"type": "array", "minItems": 1}, [], "expected at least one entry, found an empty list"),
        (
            {"type": "string", "pattern": "^https?://"},
            "x",
            'expected an address that begins with http:// or https://, found "x"',
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            [],
            "expected text or a whole number, found an empty list",
        ),
    ],
)
def test_a_schema_error_states_what_was_expected_and_what_was_found(schema, value, expected):
    assert words({"type": "object", "properties": {"setting": schema}}, {"setting": value}) == [
        (("setting",), expected)
    ]


def test_of_several_forms_the_one_that_was_meant_is_reported():
    named = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "key": {"type": "string"}},
        "required": ["name"],
    }
    schema = {"properties": {"keys": {"items": {"anyOf": [{"type": "string"}, named]}}}}

    assert words(schema, {"keys": ["a", {"key": "b"}]}) == [(("keys", 1), '"name" is missing')]
    assert words(schema, {"keys": [{"name": 1}]}) == [
        (("keys", 0, "name"), "expected text, found 1; put the number in quotes")
    ]


def test_unknown_keys_are_reported_one_by_one():
    schema = {"properties": {"pattern": {}, "replacement": {}}, "additionalProperties": False}

    assert words(schema, {"patern": 1, "other": 2}) == [
        (("patern",), 'unknown key "patern"; did you mean "pattern"?'),
        (("other",), 'unknown key "other" (known: pattern, replacement)'),
    ]


def test_secrets_are_not_shown():
    assert words({"properties": {"apiKey": {"type": "integer"}}}, {"apiKey": "canary"}) == [
        (("apiKey",), "expected a whole number, found a secret text")
    ]


def test_a_schema_that_is_none_is_reported():
    ((path, message),) = words({"type": "objekt"}, {})

    assert path == ()
    assert "is not a JSON Schema" in message


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (True, []),
        (None, []),
        (False, [((), 'the plugin "mine" does not accept these settings')]),
        ("patterns[2].pattern: missing )", [(("patterns", 2, "pattern"), "missing )")]),
        ("Something else: here", [((), "Something else: here")]),
    ],
)
def test_the_answer_of_validate_config_is_reported(answer, expected):
    async def later(self, config):
        return answer

    assert check_by_itself(extension({}, validate_config=lambda self, config: answer), {}) == expected
    assert check_by_itself(extension({}, validate_config=later), {}) == expected


def test_a_validate_config_that_breaks_is_reported():
    def broken(self, config):
        return 1 / 0

    ((_, message),) = check_by_itself(extension({}, validate_config=broken), {})

    assert message == "mine can't check its settings: ZeroDivisionError: division by zero"


def test_a_pydantic_model_as_schema_is_validated_and_handed_over():
    from pydantic import BaseModel, field_validator

    class Settings(BaseModel):
        size: int = 3

        @field_validator("size")
        @classmethod
        def even(cls, value):
            if value % 2:
                raise ValueError("must be even")
            return value

    seen = []
    made = extension(Settings, validate_config=lambda self, config: seen.append(config) or True)

    assert check_by_itself(made, {"size": 3}) == [(("size",), "must be even")]
    assert check_by_itself(made, {"size": 4}) == []
    assert seen == [Settings(size=4)]


@pytest.mark.parametrize("value", ["fast", -1, "5 fortnights", True])
def test_a_setting_marked_as_duration_takes_durations_only(value):
    schema = {"type": "object", "properties": {"wait": {"x-duration": True}}}

    (found,) = words(schema, {"wait": value})
    assert found[0] == ("wait",)
    assert "expected a duration" in found[1]


@pytest.mark.parametrize("value", [0, 1500, 0.5])
def test_a_setting_marked_as_duration_takes_milliseconds(value):
    assert words({"type": "object", "properties": {"wait": {"x-duration": True}}}, {"wait": value}) == []
