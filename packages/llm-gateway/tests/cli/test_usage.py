"""`llm-gateway usage` prints what a gateway has counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_gateway.cli import main
from llm_gateway.testing import GatewayClient


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose gateway has answered three requests."""
    path = tmp_path_factory.mktemp("usage") / "gateway.yaml"
    models = [
        {"name": "model", "isDefault": True, "provider": {"type": "echo"}, "prices": {"input": 1, "output": 10}},
        {"name": "free", "provider": {"type": "echo"}},
    ]
    keys = [{"name": name, "key": f"key-of-{name}"} for name in ("ann", "bob")]
    plugins = [
        {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": keys}},
        {"name": "limits", "type": "limits", "config": {"usage": "hour"}},
    ]
    path.write_text(yaml.safe_dump({"models": models, "plugins": plugins}))
    with GatewayClient(path, environ={}) as client:
        for name, model in (("ann", "model"), ("ann", "free"), ("bob", "model")):
            answer = client.chat("Hi", model=model, headers={"authorization": f"Bearer key-of-{name}"})
            assert answer.status == 200, answer.text
    return path


def run(capsys: Any, *arguments: str) -> tuple[int, str]:
    code = main(["usage", *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_it_is_printed_by_model_with_what_has_no_price(file: Path, capsys: Any) -> None:
    code, shown = run(capsys, "--config", str(file))

    assert code == 0
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "without a price" in lines["free"]
    assert "without a price" not in lines["model"]


def test_dollars_below_a_cent_are_not_rounded_to_nothing(file: Path, capsys: Any) -> None:
    shown = run(capsys, "--config", str(file))[1]
    [row] = [
        row for row in json.loads(run(capsys, "--config", str(file), "--json")[1]) if row["group"]["model"] == "model"
    ]

    assert 0 < row["cost"] < 100_000, "a ten-thousandth of a dollar"
    assert f" {row['cost'] / 1e9:.9f}".rstrip("0") in shown


def test_it_is_printed_as_json_for_some(file: Path, capsys: Any) -> None:
    arguments = (
        "--config",
        str(file),
        "--by",
        "key,model",
        "--key",
        "basic-apikey-auth:ann",
        "--since",
        "1d",
        "--json",
    )
    rows = json.loads(run(capsys, *arguments)[1])

    assert {row["group"]["model"]: row["requests"] for row in rows} == {"model": 1, "free": 1}
    assert json.loads(run(capsys, "--config", str(file), "--until", "2020-01-01", "--json")[1]) == []
    assert json.loads(run(capsys, "--config", str(file), "--label", "env=prod", "--json")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--by", "teams"), "label:NAME"),
        (("--since", "yesterday"), "2026-11-01"),
        (("--label", "env"), "NAME=VALUE"),
        (("--time-zone", "Mars/Olympus"), "Europe/Zurich"),
    ],
)
def test_mistakes_name_what_was_expected(file: Path, capsys: Any, arguments: tuple[str, ...], words: str) -> None:
    code, shown = run(capsys, "--config", str(file), *arguments)

    assert code == 2
    assert words in shown


def test_without_the_setting_it_is_named(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("models: [{name: m, provider: {type: echo}}]\n")

    code, shown = run(capsys, "--config", str(path))
    assert code == 2
    assert "usage: hour" in shown
