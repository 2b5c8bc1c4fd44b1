from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway.cli import main

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_show_prints_facts_prices_and_their_source(capsys: Out) -> None:
    assert main(["models", "show", "anthropic/claude-opus-4.5", "--provider", "openrouter", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["facts"]["name"] == "claude-opus-4-5"
    assert found["prices"]["input"] == 5
    assert found["prices"]["source"].startswith("https://")
    assert found["facts"]["checked"]


def test_show_marks_what_is_assumed(capsys: Out) -> None:
    assert main(["models", "show", "claude-opus-9"]) == 0

    assert "assumedFrom:     claude-opus-5-5" in capsys.readouterr().out


def test_show_of_an_unknown_model_states_how_to_describe_it(capsys: Out) -> None:
    assert main(["models", "show", "in-house"]) == 1

    assert "`facts` and `prices`" in capsys.readouterr().err


def test_list_prints_the_configured_models_with_their_corrections(capsys: Out, tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        "models:\n"
        "  - name: best\n"
        "    provider: {type: anthropic, config: {apiKey: k, model: claude-opus-5-5}}\n"
        "    prices: {input: 1.5}\n"
    )

    assert main(["models", "list", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["model"], found["facts"]["name"], found["prices"]["input"]) == ("best", "claude-opus-5-5", 1.5)

    assert main(["models", "show", "best"]) == 0
    assert "1.5" in capsys.readouterr().out


def test_list_all_prints_the_book(capsys: Out) -> None:
    assert main(["models", "list", "--all", "--vendor", "anthropic"]) == 0

    out = capsys.readouterr().out
    assert "claude-haiku-5-5" in out
    assert "gpt-" not in out
