"""The SQL of the documentation and of the Grafana dashboard runs, and the example is a valid configuration."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.database.client import Database, connect
from llm_gateway_clickhouse_tracer.settings import CONFIGURATION_SCHEMA, TracerSettings
from llm_gateway_clickhouse_tracer.tracer import Tracer
from tracer_harness import Front, eventually
from tracer_samples import samples

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tracing.md").read_text()
STATEMENTS = re.findall(r"```sql\n(.*?)```", PAGE, re.S)
PANELS = json.loads((ROOT / "examples" / "tracing" / "grafana-dashboard.json").read_text())["panels"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("documents")
    front = Front(folder / "engine")
    front.start()
    config: dict[str, Any] = {
        "clickhouse": {"url": front.url, "database": "traces"},
        "flushInterval": 200,
        "spool": {"path": str(folder / "spool")},
    }
    tracer = Tracer(config)
    tracer.start()
    recorded = [tracer.record(ctx) for ctx in samples(100)]
    eventually(lambda: tracer.counters.sent == len(recorded), 30)
    tracer.close()
    connected = connect(TracerSettings.load(config).clickhouse)
    yield connected
    connected.close()
    front.kill()


@pytest.mark.parametrize("statement", STATEMENTS, ids=range(len(STATEMENTS)))
def test_the_page_s_sql_runs_and_finds_something(database: Database, statement: str) -> None:
    assert database.query(statement)


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_the_grafana_panels_query_runs(database: Database, panel: dict[str, Any]) -> None:
    sql = panel["targets"][0]["rawSql"]
    for macro, meaning in (
        ("$__timeFilter(ts)", "ts > now() - INTERVAL 1 DAY"),
        ("$__timeInterval(ts)", "toStartOfInterval(ts, INTERVAL 60 second)"),
        ("${project:singlequote}", "'production','development','default'"),
    ):
        sql = sql.replace(macro, meaning)

    assert database.query(sql)


def test_the_example_is_a_valid_configuration(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "llm_gateway", "check", "--config", str(ROOT / "examples" / "tracing" / "gateway.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.needs_no_engine
def test_every_setting_is_on_the_page() -> None:
    def names(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for name, inner in schema.get("properties", {}).items():
            if inner.get("properties"):
                yield from names(inner, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"

    for name in names(CONFIGURATION_SCHEMA):
        last = name.rpartition(".")[2]
        assert f"`{name}`" in PAGE or f"`.{last}`" in PAGE or f"`{name.partition('.')[0]}.*`" in PAGE, name
