from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from llm_gateway_virtual_keys.cli import command


class Shell:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "gateway.yaml"
        self.file.write_text(
            'store: {url: "sqlite:./state.db"}\n'
            "models: [{name: m, provider: {type: echo}}]\n"
            "plugins: [{name: keys, type: virtual-keys, config: {pepper: 'a pepper of some length'}}]\n"
        )

    def __call__(self, *arguments: str, text: str | None = None, code: int = 0) -> Any:
        result = CliRunner().invoke(
            command, [*arguments, "--config", str(self.file)], input=text, standalone_mode=False, catch_exceptions=True
        )
        if code:
            assert result.exception is not None
            return str(getattr(result.exception, "message", result.exception))
        assert result.exception is None, result.exception
        return result.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_key_is_made_listed_rotated_and_revoked(shell: Shell) -> None:
    made = json.loads(
        shell("create", "--name", "reports", "--team", "data", "--label", "env=prod", "--expires", "90d", "--json")
    )
    assert (made["team"], made["labels"], made["models"]) == ("data", {"env": "prod"}, None)
    assert made["id"] in shell("list")
    assert made["key"] not in shell("list", "--json")
    rotated = shell("rotate", made["id"], "--grace", "1h").strip()
    assert rotated.startswith(f"gw_{made['id']}_")
    assert rotated != made["key"]
    shell("revoke", made["id"])
    assert "revoked" in shell("show", made["id"])


def test_a_key_alone_is_on_standard_output(shell: Shell) -> None:
    assert len(shell("create", "--name", "n").splitlines()) == 1


def test_a_key_of_another_system_is_read_from_standard_input(shell: Shell) -> None:
    assert "legacy" in shell("import", "--name", "legacy", text="sk-of-another-system-1234\n")
    assert "known already" in shell("import", "--name", "again", text="sk-of-another-system-1234\n", code=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("revoke", "nobody"), "no key"),
        (("create", "--name", "n", "--expires", "soon"), "duration"),
        (("create", "--name", "n", "--label", "env"), "NAME=VALUE"),
        (("rotate", "nobody", "--grace", "x"), "grace"),
    ],
)
def test_mistakes_are_explained(shell: Shell, arguments: tuple[str, ...], message: str) -> None:
    assert message in shell(*arguments, code=1)
