"""CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.csv_export import CSV_COLUMNS, csv_lines
from llm_gateway_clickhouse_tracer.database.schema import COLUMNS


def read(*rows: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(csv_lines(rows)).decode(), newline="")))


def test_what_was_written_is_read_again() -> None:
    prompt = 'Two lines,\r\nand "quotes"; ü'
    [found] = read({"prompt": prompt, "tool_calls": ["a", "b"], "stream": True, "cost_usd": 0.25, "ttft_us": None})

    assert (found["prompt"], found["tool_calls"], found["stream"]) == (prompt, "a; b", "true")
    assert (found["cost_usd"], found["ttft_us"]) == ("0.25", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "\uff201"])
def test_a_text_that_looks_like_a_formula_stays_a_text(text: str) -> None:
    [found] = read({"prompt": text, "output_tokens": -1})

    assert found["prompt"] == f"'{text}"
    assert found["output_tokens"] == "-1"


def test_an_empty_export_has_its_head() -> None:
    assert b"".join(csv_lines([])) == ",".join(CSV_COLUMNS).encode() + b"\r\n"


def test_each_column_is_one_of_the_table_and_none_is_a_body() -> None:
    assert set(CSV_COLUMNS) <= {column.name for column in COLUMNS}
    assert not {"request", "response", "original", "headers"} & set(CSV_COLUMNS)
