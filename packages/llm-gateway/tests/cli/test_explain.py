"""`llm-gateway explain`."""

from __future__ import annotations

from llm_gateway import cli


def test_explain_shows_values_and_origins_and_masks_secrets(file, capsys):
    assert cli.main(["explain", "--project", "own"]) == 0
    output = capsys.readouterr().out
    lines = {line.partition(":")[0].strip(): line for line in output.splitlines()}

    assert "# gateway.yaml:10" in lines["maxRetries"]
    assert "# default" in lines["maxTurns"]
    assert "canary" not in output
    assert "# environment KEY (gateway.yaml:5, inherited)" in lines["apiKey"]
    assert "15000" in lines["timeout"] or "timeout: 15000" in output
    assert "mode: refuse" in output


def test_what_explain_prints_is_yaml(file, capsys):
    import yaml

    cli.main(["explain"])

    explained = yaml.safe_load(capsys.readouterr().out)
    assert explained["project"]["models"][0]["provider"]["type"] == "made"
    assert explained["server"]["limits"]["maxBodyBytes"] == "64MiB"


def test_explain_of_an_unknown_project_names_the_known(file, capsys):
    assert cli.main(["explain", "--project", "onw"]) == 2
    assert 'unknown project "onw"; did you mean "own"?' in capsys.readouterr().err
