from pathlib import Path

import pytest

from llm_gateway.config.document import plain, read_document
from llm_gateway.config.env import Variables
from llm_gateway.config.problems import Problems
from llm_gateway.config.resolve import resolve

ENVIRON = {"NUMBER": "8", "FLAG": "yes", "TEXT": "word", "LIST": "a, b", "JSON": '{"x": [1]}', "EMPTY": ""}


def resolved(text, schema):
    root = read_document(text, "f.yaml")
    problems = Problems("f.yaml", root)
    resolve(root, schema, Variables(ENVIRON, {}, Path()), problems)
    return plain(root), [str(problem) for problem in problems.sorted()]


def one(written, schema):
    values, problems = resolved(f"key: {written}", {"properties": {"key": schema}})
    assert problems == []
    return values["key"]


@pytest.mark.parametrize(
    ("written", "schema", "expected"),
    [
        ('"${NUMBER}"', {"type": "integer"}, 8),
        ('"${NUMBER}"', {"type": "number"}, 8.0),
        ('"${NUMBER}"', {"type": "string"}, "8"),
        ('"${NUMBER}"', {}, "8"),
        ('"${NUMBER}"', {"type": ["integer", "string"]}, "8"),
        ('"${FLAG}"', {"type": "boolean"}, True),
        ('"${LIST}"', {"type": "array", "items": {"type": "string"}}, ["a", "b"]),
        ('"${JSON}"', {"type": "object"}, {"x": [1]}),
        ('"${EMPTY}"', {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ('"${TEXT}"', {"type": "integer"}, "word"),
        ('"x${NUMBER}"', {"type": "integer"}, "x8"),
        ("no", {"type": "boolean"}, False),
        ("no", {"type": "string"}, "no"),
        ("4.10", {"type": "string"}, "4.10"),
        ("007", {"type": "string"}, "007"),
        ("15s", {"type": "number", "x-duration": True}, 15000),
        ("1500", {"type": "number", "x-duration": True}, 1500),
        ("soon", {"type": "number", "x-duration": True}, "soon"),
        ("'Answer ${PROMPT} now'", {"type": "string", "x-template": True}, "Answer ${PROMPT} now"),
    ],
)
def test_a_value_takes_the_type_that_the_schema_wants(written, schema, expected):
    value = one(written, schema)

    assert value == expected
    assert type(value) is type(expected)


def test_templates_are_found_through_references_and_lists():
    schema = {
        "$defs": {"prompt": {"type": "string", "x-template": True}},
        "properties": {"all": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/prompt"}]}}},
    }

    assert resolved("all: ['${PROMPT}']", schema) == ({"all": ["${PROMPT}"]}, [])


def test_an_unset_variable_is_reported_with_line_and_path():
    _, problems = resolved("a:\n  - b: 1\n    c: '${NOPE}'", {})

    assert problems[0].startswith("f.yaml:3: a[0].c: the variable NOPE is not set")


def test_a_recursive_schema_ends():
    schema = {
        "$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}}, "allOf": [{"$ref": "#/$defs/n"}]}},
        "$ref": "#/$defs/n",
    }

    assert resolved("n: {n: {n: '${TEXT}'}}", schema) == ({"n": {"n": {"n": "word"}}}, [])
