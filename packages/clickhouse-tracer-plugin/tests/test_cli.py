"""The command line: it reads the gateway's file, and states what it would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from llm_gateway_clickhouse_tracer.cli import main

GATEWAY = """
models: [{name: gpt, isDefault: true, provider: {type: echo}}]
plugins:
  - name: tracer
    type: clickhouse-tracer
    config:
      clickhouse: {url: "http://localhost:8123", password: "${TRACER_PASSWORD}", database: "${DB:-traces}"}
      spool: {path: "%s"}
projects:
  - name: other
    plugins: [{name: quiet, type: clickhouse-tracer, config: {clickhouse: {database: elsewhere}}}]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACER_PASSWORD", "CANARY")
    path = tmp_path / "gateway.yaml"
    path.write_text(GATEWAY % (tmp_path / "spool"))
    return path


def test_the_table_s_sql_can_be_printed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--config", str(file), "--plugin", "tracer"]) == 0

    sql = capsys.readouterr().out
    assert "CREATE TABLE IF NOT EXISTS `traces`.`traces`" in sql
    assert "CANARY" not in sql


def test_several_tracers_have_to_be_distinguished(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--config", str(file)]) == 1
    assert "--plugin (tracer, quiet)" in capsys.readouterr().err


def test_an_unset_variable_is_named(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACER_PASSWORD")

    assert main(["schema", "--config", str(file), "--plugin", "tracer"]) == 1
    assert "TRACER_PASSWORD" in capsys.readouterr().err


def test_variables_are_read_from_the_file_next_to_the_configuration(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACER_PASSWORD")
    (file.parent / ".env").write_text("TRACER_PASSWORD='CANARY'\nDB=\n")

    assert main(["schema", "--config", str(file), "--plugin", "tracer"]) == 0
    assert "`traces`.`traces`" in capsys.readouterr().out


def test_the_spool_s_state_is_reported(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "--config", str(file), "--plugin", "tracer"]) == 0
    assert "0 segments wait" in capsys.readouterr().out


def test_a_dashboard_for_others_needs_a_credential(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "--config", str(file), "--plugin", "tracer", "--host", "0.0.0.0", "--port", "0"]) == 1
    assert "dashboard.credential" in capsys.readouterr().err
