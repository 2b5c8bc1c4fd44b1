"""Failures of ClickHouse by what may help, without secrets; what is sent with each query and insert."""

from __future__ import annotations

import json
from typing import Any

import lz4.frame
import pytest
from llm_gateway_clickhouse_tracer.database.client import Database, DatabaseFailure, connect
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings, TracerSettings


class Driver:
    """Records the driver's calls; raises `error` or gives `data`."""

    def __init__(self, data: bytes = b"", error: Exception | None = None) -> None:
        self.data, self.error = data, error
        self.calls: list[dict[str, Any]] = []

    def _called(self, what: str, first: Any, **more: Any) -> bytes:
        self.calls.append({"what": what, "first": first, **more})
        if self.error is not None:
            raise self.error
        return self.data

    def command(self, sql: str, **more: Any) -> bytes:
        return self._called("command", sql, **more)

    def raw_query(self, sql: str, **more: Any) -> bytes:
        return self._called("raw_query", sql, **more)

    def raw_insert(self, table: str, **more: Any) -> bytes:
        return self._called("raw_insert", table, **more)


def settings(**clickhouse: Any) -> ClickHouseSettings:
    return TracerSettings.load({"clickhouse": {"url": "http://db.example:8123", **clickhouse}}).clickhouse


def failure(error: Exception, **clickhouse: Any) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        Database(Driver(error=error), settings(**clickhouse)).command("SELECT 1")
    return caught.value


class Coded(Exception):
    def __init__(self, text: str, code: Any) -> None:
        super().__init__(text)
        self.code = code


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (RuntimeError("Code: 27. DB::Exception: Cannot parse input"), "data", 27),
        (RuntimeError("Code: 60. DB::Exception: Table does not exist"), "missing", 60),
        (RuntimeError("Code: 516. DB::Exception: Authentication failed"), "access", 516),
        (RuntimeError("Code: 252. DB::Exception: Too many parts"), "transient", 252),
        (RuntimeError("HTTP 413 Request Entity Too Large"), "data", None),
        (ConnectionResetError("reset by peer"), "transient", None),
        (Coded("no number in the text", 81), "missing", 81),
        (Coded("Code: 27.", "not a number"), "data", 27),
    ],
)
def test_a_failure_is_of_the_kind_that_decides_what_may_help(error: Exception, kind: str, code: int | None) -> None:
    found = failure(error)

    assert (found.kind, found.code) == (kind, code)


def test_a_failure_names_the_place_and_neither_credentials_nor_the_drivers_address() -> None:
    error = RuntimeError("denied for eve:s3cret-word (for url http://db.example:8123/?password=s3cret-word&x=1)")

    text = str(failure(error, username="eve", password="s3cret-word"))

    assert "db.example:8123" in text
    assert "s3cret-word" not in text
    assert "for url" not in text


def test_a_long_failure_is_cut() -> None:
    assert len(str(failure(RuntimeError("x" * 5000)))) < 1200


def test_rows_are_one_object_per_line_and_values_are_not_put_into_the_text() -> None:
    driver = Driver(b'{"n":1}\n{"n":2}\n')

    rows = Database(driver, settings()).query("SELECT {n:UInt8}", {"n": 3})

    assert rows == [{"n": 1}, {"n": 2}]
    (call,) = driver.calls
    assert call["parameters"] == {"n": 3}
    assert call["fmt"] == "JSONEachRow"


@pytest.mark.parametrize("embedded", [True, False])
def test_an_insert_is_deduplicated_by_its_token_and_compressed_on_the_wire(embedded: bool) -> None:
    driver, lines = Driver(), json.dumps({"n": 1}).encode() * 100
    place = {"url": "chdb://./traces"} if embedded else {}

    Database(driver, settings(**place)).insert(lines, "token-1")

    (call,) = driver.calls
    assert call["settings"]["insert_deduplication_token"] == "token-1"
    assert call["settings"]["async_insert"] == 0, "acknowledged only once it is stored"
    assert call["compression"] == (None if embedded else "lz4")
    assert (call["insert_block"] if embedded else lz4.frame.decompress(call["insert_block"])) == lines


def test_a_name_with_a_dash_is_quoted() -> None:
    assert Database(Driver(), settings(database="a-b", table="t")).table == "`a-b`.`t`"


def test_a_server_that_does_not_answer_is_transient() -> None:
    with pytest.raises(DatabaseFailure) as caught:
        connect(settings(url="http://127.0.0.1:9"))

    assert caught.value.kind == "transient"
