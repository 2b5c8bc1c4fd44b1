import pytest

from llm_gateway.cli.output import is_config_error, print_problems, print_table, refuse, styled
from llm_gateway_sdk import ConfigError, ConfigProblem


def test_there_are_no_colours_outside_a_terminal():
    assert styled("words", fg="red") == "words"


def test_columns_are_as_wide_as_their_cells(capsys):
    print_table(("NAME", "KIND", "HOOKS"), [("a", "plugin", "x, y"), ("long-name", "p", "")])

    assert capsys.readouterr().out == "NAME       KIND    HOOKS\na          plugin  x, y\nlong-name  p\n"


def test_problems_are_counted(capsys):
    print_problems(ConfigError([ConfigProblem("wrong", "a.b", "gateway.yaml", 3)]), as_json=False)

    assert capsys.readouterr().err == "gateway.yaml:3: a.b: wrong\n\n1 problem.\n"


@pytest.mark.parametrize("code", [1, 2])
def test_a_refusal_has_its_exit_code(code, capsys):
    assert refuse("no", code=code) == code
    assert capsys.readouterr().err == "llm-gateway: no\n"


def test_errors_of_the_configuration_are_known():
    assert is_config_error(ConfigError("x"))
    assert not is_config_error(ValueError("x"))
