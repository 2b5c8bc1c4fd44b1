"""`llm-gateway version`."""

from __future__ import annotations

import json
import platform

from llm_gateway import cli


def test_versions_of_gateway_sdk_and_python_are_printed(capsys):
    assert cli.main(["version"]) == 0
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.count("llm-gateway 0.") == 2


def test_versions_as_json(capsys):
    assert cli.main(["version", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["python"] == platform.python_version()
    assert set(found) == {"llm-gateway", "llm-gateway-sdk", "python"}
