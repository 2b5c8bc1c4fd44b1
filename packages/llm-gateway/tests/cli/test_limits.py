"""`llm-gateway limits`: shows counters, explains refusals, plays recorded requests."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_gateway.cli import main
from llm_gateway.testing import GatewayClient

LIMITS = [
    {"name": "few", "per": ["ip"], "requests": 2, "window": {"calendar": "year"}},
    {"name": "budget", "cost": "1 USD", "window": "lifetime"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    model = {"name": "model", "isDefault": True, "provider": {"type": "echo"}}
    model["metadata"] = {"prices": {"input": 1, "output": 10}}
    plugins = [{"name": "limits", "type": "limits", "config": {"limits": LIMITS}}]
    path.write_text(yaml.safe_dump({"models": [model], "plugins": plugins}))
    return path


@pytest.fixture
def refused(file: Path) -> str:
    """The id of a request that was refused, after two that were answered."""
    with GatewayClient(file, environ={}) as client:
        answers = [client.chat(max_tokens=10) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
    context = answers[-1].context
    assert context is not None
    return context.request_id


def run(capsys: Any, *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_counters_are_shown_for_whom_they_count(file: Path, refused: str, capsys: Any) -> None:
    code, shown = run(capsys, "limits", "show", "--config", str(file))
    assert code == 0
    assert "few" in shown
    assert "2 requests" in shown
    assert "1.00 USD" in shown
    rows = json.loads(run(capsys, "limits", "show", "--config", str(file), "--limit", "few", "--json")[1])
    assert [(row["limit"], row["settled"], row["open"], row["of"]) for row in rows] == [("few", 2, 0, 2)]


def test_a_refusal_is_explained_by_the_requests_id(file: Path, refused: str, capsys: Any) -> None:
    code, shown = run(capsys, "limits", "explain", refused, "--config", str(file))
    assert code == 0
    assert "refused by the limit few" in shown
    assert "limits[0]" in shown
    assert run(capsys, "limits", "explain", "req_unknown", "--config", str(file))[0] == 2


def test_recorded_requests_are_played_against_the_limits(file: Path, tmp_path: Path, capsys: Any) -> None:
    now = time.time()
    records = [{"time": now + number, "ip": "10.0.0.1", "cost": 0.4} for number in range(4)]
    records += [{"time": now + 9, "ip": "10.0.0.2"}]
    (tmp_path / "requests.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    arguments = ["limits", "simulate", "--config", str(file), "--file", str(tmp_path / "requests.jsonl")]

    rows = json.loads(run(capsys, *arguments, "--json")[1])
    assert [(row["limit"], row["seen"], row["refused"], row["skipped"]) for row in rows] == [
        ("few", 5, 2, 0),
        ("budget", 4, 2, 1),
    ]
    assert "10.0.0.1" in run(capsys, *arguments)[1]

    (tmp_path / "requests.jsonl").write_text('{"ip": "10.0.0.1"}')
    code, shown = run(capsys, *arguments)
    assert code == 2
    assert "a record has no time" in shown


def test_a_configuration_without_limits_is_reported(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("models: [{name: m, isDefault: true, provider: {type: echo}}]")
    code, shown = run(capsys, "limits", "show", "--config", str(path))
    assert code == 2
    assert "no limits" in shown
