import sys

import pytest

from llm_gateway.cli.output import is_config_error, print_problems, print_table, progress, refuse, styled
from llm_gateway_sdk import ConfigError, ConfigProblem


def test_there_are_no_colours_outside_a_terminal():
    assert styled("words", fg="red") == "words"


def test_columns_are_as_wide_as_their_cells(capsys):
    print_table(("NAME", "KIND", "HOOKS"), [("a", "plugin", "x, y"), ("long-name", "p", "")])

    assert capsys.readouterr().out == "NAME       KIND    HOOKS\na          plugin  x, y\nlong-name  p\n"


def test_problems_are_counted(capsys):
    print_problems(ConfigError([ConfigProblem("wrong", "a.b", "gateway.yaml", 3)]), as_json=False)

    assert capsys.readouterr().err == "gateway.yaml:3: a.b: wrong\n\n1 problem.\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_drawn_on_terminals_only(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)

    with progress(4, "replaying") as step:
        for _ in range(4):
            step(1)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("replaying" in captured.err, "100%" in captured.err) == (terminal, terminal)


@pytest.mark.parametrize("code", [1, 2])
def test_a_refusal_has_its_exit_code(code, capsys):
    assert refuse("no", code=code) == code
    assert capsys.readouterr().err == "llm-gateway: no\n"


def test_errors_of_the_configuration_are_known():
    assert is_config_error(ConfigError("x"))
    assert not is_config_error(ValueError("x"))


_ROWS = [
    ("basic-apikey-auth", "plugin", "llm-gateway-basic-apikey-auth", "before_model"),
    ("regex-hider", "plugin", "llm-gateway-regex-hider", "before_model, after_model, after_chunk, on_model_error"),
    ("console", "plugin", "llm-gateway-console", ""),
]


@pytest.mark.parametrize("width", [12, 20, 40, 60, 80, 100, 200])
def test_on_a_terminal_no_line_of_a_table_is_wider_and_nothing_is_left_out(width, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")

    print_table(("NAME", "KIND", "FROM", "HOOKS"), _ROWS)

    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= width
    squeezed = "".join(printed.split())
    for row in _ROWS:
        for cell in row:
            assert cell.replace(" ", "") in squeezed


def test_cells_below_their_row_have_the_names_of_their_columns(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")

    print_table(("NAME", "KIND", "FROM", "HOOKS"), _ROWS[:1])

    assert capsys.readouterr().out.splitlines() == [
        "NAME               KIND",
        "basic-apikey-auth  plugin",
        "    from: llm-gateway-basic-apikey-auth",
        "    hooks: before_model",
    ]


def test_outside_a_terminal_each_row_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")

    print_table(("NAME", "KIND", "FROM", "HOOKS"), _ROWS)

    assert len(capsys.readouterr().out.splitlines()) == 4
