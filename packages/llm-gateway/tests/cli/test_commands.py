"""What all commands have in common: help by example, suggestions, commands of other distributions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llm_gateway import cli


def test_help_loads_no_web_server_http_client_schema_or_plugin():
    code = (
        "import sys\n"
        "from llm_gateway.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sorted(sys.modules))\n"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    loaded = set(output.rpartition("LOADED")[2].split())
    heavy = {"starlette", "uvicorn", "httpx", "aiohttp", "pydantic", "jsonschema", "yaml", "orjson", "asyncio"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("llm_gateway_")}
    assert "examples:" in output


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["start"],
        ["check"],
        ["explain"],
        ["init"],
        ["plugins"],
        ["plugins", "new"],
        ["plugins", "docs"],
        ["schema"],
        ["completion"],
    ],
)
def test_every_help_teaches_by_example(arguments, capsys):
    assert cli.main([*arguments, "--help"]) == 0
    assert "examples:\n  llm-gateway" in capsys.readouterr().out


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 0
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["strat"], 'no command "strat"; did you mean "start"?'),
        (["keys", "lsit"], 'no command "lsit"; did you mean "list"?'),
        (["plugins", "lsit"], 'no command "lsit"; did you mean "list"?'),
        (["check", "prod.yaml"], 'extra argument (prod.yaml); did you mean "--config prod.yaml"?'),
        (["start", "--port", "1", "x.json"], 'extra argument (x.json); did you mean "--config x.json"?'),
        (["check", "--confg", "x"], "--config"),
        (["plugins"], "Commands:"),
    ],
)
def test_misspelled_commands_and_options_get_a_suggestion(arguments, hint, capsys):
    assert cli.main(arguments) == 2
    assert hint in "".join(capsys.readouterr())


_PRINTING = [["schema"], ["plugins", "list"], ["plugins", "docs"], ["check", "--json"], ["explain"], ["--help"]]


@pytest.mark.parametrize("arguments", _PRINTING, ids=" ".join)
def test_a_reader_that_leaves_early_is_not_an_error(arguments, file):
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_gateway", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # before anything was written: each write fails

    with process.stderr as stream:
        assert stream.read() == ""
    assert process.wait() == 0


def test_no_line_of_a_list_of_commands_is_cut_off(capsys):
    for group in ([], ["models"], ["keys"], ["limits"], ["plugins"]):
        assert cli.main([*group, "--help"]) == 0
        assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_commands_of_other_distributions_are_found(monkeypatch, capsys):
    from importlib.metadata import EntryPoint

    from llm_gateway.cli import commands

    entry = EntryPoint("weather", "llm_gateway.cli.version:command", "llm_gateway.commands")
    monkeypatch.setattr(commands, "entry_points", lambda group: [entry])
    monkeypatch.setattr(cli.application, "_found", None)

    assert cli.main(["weather"]) == 0
    assert "llm-gateway 0." in capsys.readouterr().out
