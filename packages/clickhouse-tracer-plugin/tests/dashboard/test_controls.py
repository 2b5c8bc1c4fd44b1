"""The bar above a page keeps every choice in its links."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from llm_gateway_clickhouse_tracer.dashboard.controls import address, controls
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


def test_a_range_takes_the_place_of_a_custom_one() -> None:
    bar = controls("", "/", Filter.load({"since": "2026-11-01", "until": "2026-11-08"}), {})

    ranges = bar.partition('aria-label="Time range"')[2].partition("</nav>")[0]
    assert "since" not in ranges
    assert "aria-current" not in ranges, "no range is the present one"
    assert "2026-11-01 00:00 – 2026-11-08 00:00" in bar


def test_a_condition_without_a_field_is_shown_and_taken_away_by_a_click() -> None:
    bar = controls("", "/interactions", Filter.load({"session": "s <1>", "model": "gpt"}), {})

    assert ">× session s &lt;1&gt;</a>" in bar
    assert '<a href="/interactions?range=24h&amp;model=gpt" title="Without this condition' in bar
    assert 'type="hidden" name="session" value="s &lt;1&gt;"' in bar, "another choice keeps it"
