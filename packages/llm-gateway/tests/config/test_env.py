from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config.env import VariableProblem, Variables, decode_dotenv, read_dotenv
from llm_gateway_sdk.errors import ConfigError


def variables(environ=None, dotenv=None, directory=Path()):
    return Variables(environ or {}, dotenv or {}, directory)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "1"),
        ("x${A}y${B}", "x1y2"),
        ("${C:-none}", "none"),
        ("${EMPTY:-none}", "none"),
        ("${EMPTY}", ""),
        ("${C:-${A}}", "1"),
        ("${C:-}", ""),
        ("$${A}", "${A}"),
        ("a $${A} ${A}", "a ${A} 1"),
        ("$A and $", "$A and $"),
        ("cost: 5$", "cost: 5$"),
    ],
)
def test_variables_are_filled(text, expected):
    assert variables({"A": "1", "B": "2", "EMPTY": ""}).fill(text).text == expected


def test_the_environment_wins_over_the_env_file():
    looked_up = variables({"A": "environment"}, {"A": "file", "B": "file"})

    assert looked_up.fill("${A} ${B}").text == "environment file"
    assert looked_up.origin("A") == "environment A"
    assert looked_up.origin("B") == ".env B"


def test_an_unset_variable_states_what_to_do():
    with pytest.raises(VariableProblem, match=r"the variable MISSING is not set; .*\$\{MISSING:-default\}"):
        variables().fill("${MISSING}")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("${A:?x}", "${A}"), ("${A?}", "${A}"), ("${A:b}", "${A:-b}"), ("${A-b}", "${A:-b}"), ("${A=b}", "${A:-b}")],
)
def test_defaults_as_other_programs_write_them_are_refused_with_ours(text, meant):
    with pytest.raises(VariableProblem) as caught:
        variables({}).fill(text)
    assert str(caught.value) == f"`{text}` is not understood; write {meant}"


@pytest.mark.parametrize("text", ["${}", "${A B}", "${1}", "${A"])
def test_what_is_not_a_variable_is_refused(text):
    with pytest.raises(VariableProblem, match=r"\$\$\{"):
        variables({"A": "1"}).fill(text)


def test_a_whole_variable_is_distinguished_from_one_in_a_text():
    looked_up = variables({"A": "1"})

    assert looked_up.fill("${A}").whole
    assert not looked_up.fill("${A} ").whole
    assert not looked_up.fill("${A}${A}").whole
    assert not looked_up.fill("plain").whole


def test_a_secret_comes_from_a_file_without_its_line_break(tmp_path):
    (tmp_path / "key").write_text("sk-1\n")

    assert variables(directory=tmp_path).fill("${file:key}").text == "sk-1"
    assert variables(directory=tmp_path).fill(f"${{file:{tmp_path}/key}}").text == "sk-1"


def test_a_missing_secret_file_is_a_problem_unless_there_is_a_default(tmp_path):
    with pytest.raises(VariableProblem, match="No such file"):
        variables(directory=tmp_path).fill("${file:nothing}")
    assert variables(directory=tmp_path).fill("${file:nothing:-x}").text == "x"


def test_an_env_file_is_read_as_shells_read_it():
    text = """
# comment
PLAIN=value # comment
export EXPORTED=1
QUOTED="two\\nlines # kept"
LITERAL='a $b \\n'
EMPTY=
HASH=a#b
not a line
"""
    assert decode_dotenv(text) == {
        "PLAIN": "value",
        "EXPORTED": "1",
        "QUOTED": "two\nlines # kept",
        "LITERAL": "a $b \\n",
        "EMPTY": "",
        "HASH": "a#b",
    }


def test_a_quoted_value_goes_over_several_lines():
    key = "-----BEGIN KEY-----\nabc=\n# not a comment\n-----END KEY-----"
    for quote in "\"'":
        assert decode_dotenv(f"A=1\nKEY={quote}{key}{quote} # comment\r\nB=2\n") == {"A": "1", "KEY": key, "B": "2"}


@pytest.mark.parametrize("value", ['"abc', "'abc", '"abc\nB=2', 'x"abc'])
def test_a_quote_that_is_not_closed_is_a_problem_with_its_line(value, tmp_path):
    (tmp_path / ".env").write_text(f"A=1\nKEY={value}\n")
    if value.startswith("x"):
        assert read_dotenv(tmp_path)["KEY"] == value
    else:
        with pytest.raises(ConfigError, match=r"\.env:2: the value of KEY begins with a quote that is not closed"):
            read_dotenv(tmp_path)


def test_defaults_nested_without_end_are_a_problem():
    with pytest.raises(VariableProblem, match="nested more than"):
        variables().fill("${A:-" * 3000 + "x" + "}" * 3000)
    assert variables().fill("${A:-${B:-${C:-x}}}").text == "x"


def test_no_env_file_is_not_a_problem(tmp_path):
    assert read_dotenv(tmp_path) == {}


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_variables_stays_as_it_is(text):
    assert variables().fill(text).text == text


@given(st.text())
def test_a_value_is_never_substituted_twice(value):
    assert variables({"A": value}).fill("${A}").text == value


def test_an_env_file_that_can_not_be_read_is_a_problem(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match=r"\.env: the file can't be read: it is not UTF-8 text"):
        read_dotenv(tmp_path)
