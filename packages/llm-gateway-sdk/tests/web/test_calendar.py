"""Calendar spans are those of the reader's clock."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from llm_gateway_sdk.web import calendar_spans


def test_the_calendar_is_that_of_the_reader_s_clock() -> None:
    spans = calendar_spans(datetime(2026, 11, 25, 1, 30, tzinfo=ZoneInfo("Asia/Tokyo")))

    assert spans["today"] == ("2026-11-24 15:00:00", "2026-11-25 15:00:00")
    assert spans["yesterday"] == ("2026-11-23 15:00:00", "2026-11-24 15:00:00")
    assert spans["last week"] == ("2026-11-15 15:00:00", "2026-11-22 15:00:00")
    assert spans["this month"] == ("2026-10-31 15:00:00", "2026-11-30 15:00:00")
    assert spans["last month"] == ("2026-09-30 15:00:00", "2026-10-31 15:00:00")


def test_the_week_in_which_the_clocks_change_has_its_own_length() -> None:
    start, end = calendar_spans(datetime(2026, 10, 28, 12, tzinfo=ZoneInfo("Europe/Berlin")))["last week"]

    assert (start, end) == ("2026-10-18 22:00:00", "2026-10-25 23:00:00")
