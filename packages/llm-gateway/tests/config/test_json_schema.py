import jsonschema
import pytest
import yaml

from llm_gateway.config.json_schema import whole_schema

EXTENSIONS = [
    (
        "plugin",
        "guard",
        {
            "type": "object",
            "$defs": {"word": {"type": "string", "minLength": 1}},
            "properties": {
                "words": {"type": "array", "items": {"$ref": "#/$defs/word"}},
                "wait": {"type": "integer", "x-duration": True},
            },
            "additionalProperties": False,
        },
    ),
    ("provider", "made", {"type": "object", "properties": {"retries": {"type": "integer"}}, "required": ["retries"]}),
    ("adapter", "spoken", {"type": "object", "properties": {"a": {"const": 1}}}),
]
VALIDATOR = jsonschema.Draft202012Validator(whole_schema(EXTENSIONS))


def errors(text):
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def test_it_is_a_json_schema():
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize(
    "text",
    [
        "server: {port: 3000, limits: {drainTimeout: 15s, keepAlive: 1500, maxBodyBytes: 10MiB}}",
        'server: {port: "${PORT}"}',
        'logging: {level: "${LEVEL:-info}"}',
        "plugins: [{name: a, type: guard, config: {words: [x], wait: 15s}}]",
        'plugins: [{name: a, type: guard, config: {words: "${WORDS}", wait: "${WAIT}"}}]',
        "plugins: [{name: a, type: somebody-elses, config: {anything: 1}}]",
        "models: [{name: a, provider: {type: made, config: {retries: 1}}}]",
        "adapters: [{name: spoken, config: {a: 1}}, {name: own, type: spoken}]",
        "x-anchors: {a: 1}",
    ],
)
def test_it_allows_what_the_loader_allows(text):
    assert errors(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "serve: 1",
        "server: {port: high}",
        "plugins: [{name: a}]",
        'plugins: [{name: a, type: guard, config: {words: [""]}}]',
        "plugins: [{name: a, type: guard, config: {word: [x]}}]",
        "models: [{name: a, provider: {type: made, config: {}}}]",
        "adapters: [{name: spoken, config: {a: 2}}]",
        "adapters: [{name: own, type: spoken, config: {a: 2}}]",
    ],
)
def test_it_refuses_what_the_loader_refuses(text):
    assert errors(text) != []


def test_defaults_are_written_as_people_write_them():
    limits = VALIDATOR.schema["$defs"]["LimitsConfig"]["properties"]

    assert limits["drainTimeout"]["default"] == "30s"
    assert limits["maxBodyBytes"]["default"] == "64MiB"


def test_types_are_offered_to_editors():
    assert VALIDATOR.schema["$defs"]["PluginConfig"]["properties"]["type"]["examples"] == ["guard"]


def test_defaults_are_written_in_the_units_of_the_file():
    def defaults(value):
        if isinstance(value, dict):
            if "default" in value:
                yield value["default"]
            for child in value.values():
                yield from defaults(child)
        elif isinstance(value, list):
            for child in value:
                yield from defaults(child)

    found = list(defaults(whole_schema()))
    assert not [default for default in found if isinstance(default, dict) and default]
    assert "30s" in found
    assert 30.0 not in found
