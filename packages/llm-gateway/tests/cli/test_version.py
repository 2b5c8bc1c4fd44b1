"""`llm-gateway version`."""

from __future__ import annotations

from llm_gateway import cli


def test_versions_of_gateway_sdk_and_python_are_printed(capsys):
    assert cli.main(["version"]) == 0
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.count("llm-gateway 0.") == 2
