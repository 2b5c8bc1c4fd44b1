"""`llm-gateway schema`."""

from __future__ import annotations

import json

import jsonschema
import pytest

from llm_gateway import cli


def test_the_printed_schema_is_one_that_editors_can_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0

    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"models": [{"name": "m", "provider": {"type": "echo"}}]})
    assert not validator.is_valid({"modles": []})


def test_settings_of_installed_extensions_are_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["schema"])

    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    plugin = {"name": "keys", "type": "basic-apikey-auth"}
    assert validator.is_valid({"plugins": [{**plugin, "config": {"apikeys": ["k"]}}]})
    assert not validator.is_valid({"plugins": [{**plugin, "config": {"apikey": "k"}}]})


def test_extensions_of_the_configuration_are_in_it_too(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--config", file]) == 0
    assert '"guard"' in capsys.readouterr().out


def test_the_reference_page_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--markdown"]) == 0

    page = capsys.readouterr().out
    assert page.startswith("#")
    assert page.endswith("\n")
    assert not page.endswith("\n\n")
