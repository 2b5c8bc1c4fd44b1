"""What holds for every command of every program here: output for programs, suggestions, closed pipes, no colours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import click
import pytest
from llm_gateway_clickhouse_tracer.cli import command as tracer_command
from llm_gateway_clickhouse_tracer.cli import main as tracer

from llm_gateway.cli import application, main

WITHOUT_JSON = {
    "llm-gateway start": "serves",
    "llm-gateway init": "writes a file",
    "llm-gateway completion": "prints a script for a shell",
    "llm-gateway schema": "prints JSON as it is",
    "llm-gateway plugins docs": "prints pages, in Markdown",
    "llm-gateway plugins new": "writes files",
    "llm-gateway-clickhouse-tracer dashboard": "serves",
    "llm-gateway-clickhouse-tracer schema": "prints SQL",
}
RUN: dict[str, Callable[[list[str]], int]] = {"llm-gateway": main, "llm-gateway-clickhouse-tracer": tracer}


def _walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _walk(below, (*words, name))


TREE = [
    *_walk(application, ("llm-gateway",)),
    *_walk(tracer_command, ("llm-gateway-clickhouse-tracer",)),
]
LEAVES = [(words, command) for words, command in TREE if not isinstance(command, click.Group)]


def _swapped(word: str) -> str:
    """A word as it is mistyped: two letters in the wrong order."""
    return next(
        (word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(1, len(word) - 1) if word[n] != word[n + 1]),
        word,
    )


def test_whatever_prints_data_prints_json() -> None:
    without = {
        " ".join(words) for words, command in LEAVES if not any("--json" in each.opts for each in command.params)
    }

    assert without == set(WITHOUT_JSON)


@pytest.mark.parametrize("words", [words for words, _ in TREE if len(words) > 1], ids=" ".join)
def test_a_mistyped_command_gets_the_right_one_suggested(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert RUN[words[0]]([*words[1:-1], _swapped(words[-1])]) == 2
    assert f'did you mean "{words[-1]}"?' in capsys.readouterr().err


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])
def test_a_mistyped_option_gets_the_right_one_suggested(
    words: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [each for parameter in command.params for each in parameter.opts if each.startswith("--")]
    for option in options:
        wrong = "--" + _swapped(option[2:])
        if wrong in options:
            continue
        assert RUN[words[0]]([*words[1:], wrong]) == 2
        printed = capsys.readouterr().err
        assert option in printed
        assert "Did you mean" in printed or "Possible options" in printed


@pytest.mark.parametrize("words", [words for words, _ in TREE], ids=" ".join)
def test_a_reader_that_has_left_gets_no_traceback(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        assert RUN[words[0]]([*words[1:], "--help"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_colours_are_for_terminals_that_want_them(
    environ: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    main(["check", "--config", os.devnull])
    main(["plugins", "list"])
    captured = capsys.readouterr()

    assert ("\x1b[" in captured.err) is coloured
    assert ("\x1b[" in captured.out) is coloured
