"""`llm-gateway check`."""

from __future__ import annotations

import json

from command_line import CONFIG

from llm_gateway import cli


def test_a_valid_file_is_summed_up(file, capsys):
    assert cli.main(["check"]) == 0
    assert capsys.readouterr().out == "gateway.yaml is valid: 2 projects, 1 model, 1 plugin\n"


def test_problems_are_listed_and_the_exit_code_is_2(file, folder, capsys):
    (folder / "gateway.yaml").write_text(CONFIG + "serve: 1\nmaxRetires: 2\n")

    assert cli.main(["check"]) == 2
    errors = capsys.readouterr().err
    assert 'gateway.yaml:11: serve: unknown key "serve"; did you mean "server"?' in errors
    assert 'gateway.yaml:12: maxRetires: unknown key "maxRetires"; did you mean "maxRetries"?' in errors
    assert errors.endswith("\n2 problems.\n")


def test_check_gives_problems_as_json(file, folder, capsys):
    (folder / "gateway.yaml").write_text("models: 1")

    assert cli.main(["check", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"] is False
    assert answer["problems"][0] == {
        "message": "expected a list, found 1; put it in brackets: `[…]`",
        "path": "models",
        "file": "gateway.yaml",
        "line": 1,
    }


def test_strict_check_fails_on_notices(file, folder, capsys):
    (folder / "gateway.yaml").write_text(CONFIG + "maxTurns: 3\n")

    assert cli.main(["check", "--strict"]) == 0
