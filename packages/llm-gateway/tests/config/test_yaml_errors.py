import pytest

from llm_gateway.config.document import read_document
from llm_gateway_sdk.errors import ConfigError


def problem(text):
    with pytest.raises(ConfigError) as caught:
        read_document(text, "gateway.yaml")
    (found,) = caught.value.problems
    return found


@pytest.mark.parametrize(
    "text",
    [
        "models: [{name: a, provider: {type: openai, config: {apiKey: ${KEY}}}}]",
        "config: {apiKey: ${KEY}, model: x}",
        "keys: [${KEY}]",
        "config:\n  {apiKey: ${KEY:-none}}",
    ],
)
def test_a_variable_without_quotes_inside_braces_is_named(text):
    assert 'put quotes around the variable: "${KEY' in problem(text).message


@pytest.mark.parametrize(
    ("text", "line", "bracket"),
    [
        ("models: [", 1, "[ (column 9)"),
        ("a: 1\nmodels: [\n  {name: x},  # [\n", 2, "[ (column 9)"),
        ("models:\n  - {name: \"}\", words: it's,\n    other: '}'\n\n", 2, "{ (column 5)"),
    ],
)
def test_a_bracket_that_is_open_at_the_end_is_reported_where_it_was_opened(text, line, bracket):
    found = problem(text)

    assert found.line == line
    assert f"the {bracket} is not closed" in found.message


def test_a_quote_that_is_not_closed_is_reported_where_it_was_opened():
    found = problem('models:\n  - name: "gpt\n    provider: x\n\nserver: {}\n')

    assert found.line == 2
    assert found.message == 'not valid YAML: the quote " (column 11) is not closed'


def test_an_alias_without_an_anchor_is_named():
    found = problem("models:\n  - *base\n")

    assert found.line == 2
    assert "*base refers to an anchor that does not exist" in found.message


def test_a_second_colon_asks_for_quotes():
    found = problem("models:\n  - name: a: b\n")

    assert found.line == 2
    assert 'put quotes around the text: "a: b"' in found.message


def test_wrong_indentation_is_hinted_at_with_its_column():
    found = problem("models:\n  - name: a\n   provider: {type: echo}\n")

    assert "column" in found.message
    assert "indentation" in found.message


def test_tabs_are_named():
    assert "not with tabs" in problem("models:\n\t- name: a\n").message
