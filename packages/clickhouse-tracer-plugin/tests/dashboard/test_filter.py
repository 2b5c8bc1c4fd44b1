"""What a reader chooses: from the address, back into it, and as a condition."""

from __future__ import annotations

import pytest
from llm_gateway_clickhouse_tracer.dashboard.filter import RANGES, Filter, is_zone


@pytest.mark.parametrize(
    "query",
    [
        {"range": "7d"},
        {"range": "1h", "model": "gpt", "status": "failed", "q": "rain", "tools": "1", "sort": "slowest"},
        {"range": "24h", "since": "2026-11-23 09:00:00", "until": "2026-11-24 09:00:00", "tz": "Asia/Tokyo"},
    ],
    ids=["range", "conditions", "custom"],
)
def test_an_address_gives_back_what_was_read_from_it(query: dict[str, str]) -> None:
    assert Filter.load(query).query() == query


@pytest.mark.parametrize("key", RANGES)
def test_the_span_before_ends_where_the_span_begins(key: str) -> None:
    now = 1_790_000_000.0
    earlier = Filter(range=key).before_it(now)

    start, end, _ = earlier.span(now)
    assert earlier.since < earlier.until
    assert RANGES[key].seconds <= end - start <= RANGES[key].seconds + 2 * RANGES[key].bucket_seconds + 86400


def test_a_chart_has_at_most_eighty_buckets() -> None:
    for since in ("2026-11-23 09:00:00", "2026-01-01 00:00:00", "2026-11-25 08:00:00"):
        start, end, bucket = Filter(since=since, until="2026-11-25 09:00:00").span(0)
        assert (end - start) / bucket <= 82


def test_values_are_parameters() -> None:
    where, parameters = Filter.load({"model": "' OR 1", "status": "failed", "caller": "(none)"}).where()

    assert "OR" not in where
    assert "status != 'ok'" in where
    assert (parameters["model"], parameters["caller"]) == ("' OR 1", "")


@pytest.mark.parametrize(
    ("name", "known"), [("Europe/Zurich", True), ("UTC", True), ("", False), ("../UTC", False), ("Mars/Base", False)]
)
def test_a_time_zone_is_one_that_the_machine_knows(name: str, known: bool) -> None:
    assert is_zone(name) is known
