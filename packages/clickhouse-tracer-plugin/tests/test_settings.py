"""The configuration: the founding block works as written, mistakes are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from llm_gateway_clickhouse_tracer.settings import CONFIGURATION_SCHEMA, TracerSettings

FOUNDING: dict[str, Any] = {
    "clickhouse": {"url": "http://localhost:8123", "username": "default", "password": "", "database": "traces"},
    "flushInterval": 10000,
}


def test_the_founding_block_works_as_written() -> None:
    jsonschema.validate(FOUNDING, CONFIGURATION_SCHEMA)
    settings = TracerSettings.load(FOUNDING)

    assert (settings.clickhouse.database, settings.clickhouse.table) == ("traces", "traces")
    assert settings.flush_interval_seconds == 10


@pytest.mark.parametrize(
    "more",
    [{"tableName": "llm", "batchSize": 100}, {"clickhouse": {"table": "llm", "access_token": "t"}}],
    ids=["tableName beside it", "table and token within"],
)
def test_keys_that_existing_files_use_work(more: dict[str, Any]) -> None:
    config = {**FOUNDING, **more}
    jsonschema.validate(config, CONFIGURATION_SCHEMA)

    assert TracerSettings.load(config).clickhouse.table == "llm"


def test_without_a_url_the_engine_in_this_process_is_meant() -> None:
    assert TracerSettings.load({}).clickhouse.embedded_path == Path("traces").resolve()
    assert TracerSettings.load({"clickhouse": {"url": "chdb:///var/t"}}).clickhouse.embedded_path == Path("/var/t")
    assert TracerSettings.load(FOUNDING).clickhouse.embedded_path is None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"clickhouse": {"url": "tcp://localhost:9000"}}, "clickhouse.url"),
        ({"clickhouse": {"database": "a`; DROP"}}, "clickhouse.database"),
        ({"clickhouse": {"table": "a"}, "tableName": "b"}, "tableName"),
        ({"flushInterval": "soon"}, "flushInterval"),
        ({"dashboard": {"enabled": True}}, "dashboard.credential"),
    ],
)
def test_a_mistake_is_reported_with_its_place(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TracerSettings.load(config)


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = TracerSettings.load(
        {
            "clickhouse": {"url": "http://u:CANARY@h:1", "password": "CANARY", "access_token": "CANARY"},
            "dashboard": {"credential": "CANARY"},
        }
    )

    assert "CANARY" not in repr(settings)
    assert "CANARY" not in settings.clickhouse.place


def test_credentials_in_the_address_count_where_the_fields_are_not_written() -> None:
    url = "https://bob:s%20ecret@db.example:8443/proxy"
    alone = TracerSettings.load({"clickhouse": {"url": url}}).clickhouse
    next_one = TracerSettings.load({"clickhouse": {"url": url, "username": "eve", "password": "p"}}).clickhouse

    assert (alone.username, alone.password, alone.url) == ("bob", "s ecret", "https://db.example:8443/proxy")
    assert (next_one.username, next_one.password) == ("eve", "p")


def test_gateways_that_write_into_different_tables_have_different_spools() -> None:
    one = TracerSettings.load({**FOUNDING, "spool": {"path": "/tmp/s"}})
    other = TracerSettings.load({**FOUNDING, "tableName": "other", "spool": {"path": "/tmp/s"}})

    assert one.spool_folder != other.spool_folder
    assert one.spool_folder.parent == other.spool_folder.parent == Path("/tmp/s")
