"""The bar above a page keeps every choice in its links."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from llm_gateway_clickhouse_tracer.dashboard.controls import address, calendar, controls
from llm_gateway_clickhouse_tracer.dashboard.filter import Filter


def test_an_address_keeps_what_was_chosen_and_changes_one_thing() -> None:
    chosen = Filter.load({"range": "7d", "model": "gpt", "q": "rain", "tz": "Asia/Tokyo", "sort": "slowest"})

    query = parse_qs(urlsplit(address("/traces", "/interactions", chosen, sort="dearest")).query)
    assert query == {"range": ["7d"], "model": ["gpt"], "q": ["rain"], "tz": ["Asia/Tokyo"], "sort": ["dearest"]}


def test_failed_is_offered_where_there_are_failures() -> None:
    bar = controls("", "/interactions", Filter(), {"status": ["error", "ok"]}, search="Search…")
    fine = controls("", "/interactions", Filter(), {"status": ["ok"]}, search="Search…")

    assert '<option value="failed">failed</option>' in bar
    assert "failed" not in fine


def test_what_is_unknown_in_a_query_is_ignored() -> None:
    strange = {"tz": "../../etc/passwd", "sort": "name; DROP TABLE", "since": "yesterday", "skip": "-1"}
    chosen = Filter.load(strange)

    assert (chosen.zone, chosen.sort, chosen.since, chosen.skip) == ("UTC", "newest", "", 0)


def test_a_moment_with_an_offset_is_taken_in_utc() -> None:
    assert Filter.load({"since": "2026-11-23T10:00+01:00"}).since == "2026-11-23 09:00:00"


def test_the_calendar_is_that_of_the_reader_s_clock() -> None:
    spans = calendar(datetime(2026, 11, 25, 1, 30, tzinfo=ZoneInfo("Asia/Tokyo")))

    assert spans["today"] == ("2026-11-24 15:00:00", "2026-11-25 15:00:00")
    assert spans["yesterday"] == ("2026-11-23 15:00:00", "2026-11-24 15:00:00")
    assert spans["last week"] == ("2026-11-15 15:00:00", "2026-11-22 15:00:00")
    assert spans["this month"] == ("2026-10-31 15:00:00", "2026-11-30 15:00:00")
    assert spans["last month"] == ("2026-09-30 15:00:00", "2026-10-31 15:00:00")


def test_the_week_in_which_the_clocks_change_has_its_own_length() -> None:
    start, end = calendar(datetime(2026, 10, 28, 12, tzinfo=ZoneInfo("Europe/Berlin")))["last week"]

    assert (start, end) == ("2026-10-18 22:00:00", "2026-10-25 23:00:00")


def test_a_range_takes_the_place_of_a_custom_one() -> None:
    bar = controls("", "/", Filter.load({"since": "2026-11-01", "until": "2026-11-08"}), {})

    ranges = bar.partition('aria-label="Time range"')[2].partition("</nav>")[0]
    assert "since" not in ranges
    assert "aria-current" not in ranges, "no range is the present one"
    assert "2026-11-01 00:00 – 2026-11-08 00:00" in bar
