"""`llm-gateway plugins`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway import cli


def test_plugins_list_shows_kind_version_and_hooks(file, capsys):
    assert cli.main(["plugins", "list", "--config", file, "--json"]) == 0

    listed = {(each["kind"], each["name"]): each for each in json.loads(capsys.readouterr().out)}
    assert listed["plugin", "guard"]["hooks"] == ["before_model"]
    assert listed["plugin", "guard"]["version"] == "1.2.0"
    assert listed["provider", "echo"]["distribution"] == "llm-gateway"


def test_plugins_docs_prints_options_defaults_an_example_and_hooks(file, capsys):
    assert cli.main(["plugins", "docs", "guard", "--config", file]) == 0
    page = capsys.readouterr().out

    assert page.startswith("# guard\n")
    assert "| `words` | list of text | required | What is refused. |" in page
    assert '| `mode` | `refuse`, `mask` | `"refuse"` |' in page
    assert "type: guard\n    config:\n      words:\n        - secret\n" in page
    assert "- `before_model`" in page


def test_plugins_docs_are_printed_while_something_else_in_the_file_is_wrong(file, capsys):
    broken = Path(file)
    broken.write_text(broken.read_text() + "\nsomething: else\n")

    assert cli.main(["plugins", "docs", "guard", "--config", str(broken)]) == 0
    assert capsys.readouterr().out.startswith("# guard\n")


def test_plugins_docs_of_a_vendor_shows_its_provider_and_its_adapter(capsys):
    assert cli.main(["plugins", "docs", "openai"]) == 0
    page = capsys.readouterr().out

    assert "- Kind: provider" in page
    assert "- Kind: adapter" in page
    assert "| `streamIdleTimeout` | duration |" in page


def test_plugins_docs_of_an_unknown_name_names_the_known(capsys):
    assert cli.main(["plugins", "docs", "model-ruoter"]) == 2
    assert 'did you mean "model-router"?' in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["plugin", "provider", "adapter"])
def test_plugins_new_makes_a_distribution_once(kind, tmp_path, capsys):
    arguments = ["plugins", "new", f"my-{kind}", "--kind", kind, "--directory", str(tmp_path)]

    assert cli.main(arguments) == 0
    assert "pip install -e" in capsys.readouterr().out
    assert (tmp_path / f"my-{kind}" / "pyproject.toml").is_file()
    assert cli.main(arguments) == 2
