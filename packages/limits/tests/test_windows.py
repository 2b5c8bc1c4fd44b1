"""Windows by the calendar in a time zone, over changes of the clock."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_limits.windows import CALENDAR, decode_window


def at(text: str, zone: str = "Europe/Zurich") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("unit", "moment", "index", "ends"),
    [
        ("month", "2026-11-30 23:59:59", "2026-11-01", "2026-12-01"),
        ("month", "2026-12-01 00:00:00", "2026-12-01", "2027-01-01"),
        ("day", "2026-03-29 12:00:00", "2026-03-29", "2026-03-30"),  # of 23 hours
        ("day", "2026-10-25 23:30:00", "2026-10-25", "2026-10-26"),  # of 25 hours
        ("week", "2026-11-29 23:59:59", "2026-11-23", "2026-11-30"),
        ("quarter", "2026-12-31 23:59:59", "2026-10-01", "2027-01-01"),
        ("year", "2028-02-29 10:00:00", "2028-01-01", "2029-01-01"),
    ],
)
def test_a_window_begins_and_ends_at_midnight_of_its_zone(unit: str, moment: str, index: str, ends: str) -> None:
    window = decode_window({"calendar": unit, "timeZone": "Europe/Zurich"})

    assert window.at(at(moment)) == (index, at(f"{ends} 00:00:00"))


ODD_ZONES = [
    "Europe/Zurich", "America/St_Johns", "UTC", "America/Santiago", "America/Havana", "Asia/Beirut", "Africa/Cairo",
    "Africa/Casablanca", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Kiritimati",
]  # fmt: skip
"""Where midnight is left out or comes twice, where clocks change by half an hour, or in the midst of an hour."""


def changes(zone: str) -> list[int]:
    """The seconds of two years in which the zone's clocks change."""
    found, known = [], ZoneInfo(zone)
    for day in range(int(at("2026-01-01", "UTC")), int(at("2028-01-01", "UTC")), 86_400):
        low, high = day, day + 86_400
        if offset(low, known) == offset(high, known):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle, known) == offset(low, known) else (low, middle)
        found.append(high)
    return found


def offset(moment: float, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(moment, zone).utcoffset()


CHANGES = {zone: changes(zone) for zone in ODD_ZONES}


@given(st.sampled_from(CALENDAR), st.sampled_from(ODD_ZONES), st.floats(-1e4, 1e4), st.randoms())
def test_every_time_is_in_one_window_that_ends_after_it(unit: str, zone: str, near: float, chance: Random) -> None:
    now = chance.choice([chance.uniform(1.7e9, 2.2e9), *CHANGES[zone]]) + near
    written = {"calendar": unit, "timeZone": zone}
    window = decode_window(written)
    index, ends = window.at(now)
    ((since, _, _),) = window._last

    assert since <= now < ends
    assert [decode_window(written).at(moment) for moment in (since, ends - 0.01)] == [(index, ends)] * 2
    assert decode_window(written).at(since - 0.01)[0] != index
    assert decode_window(written).at(ends)[0] != index


@pytest.mark.parametrize("unit", CALENDAR)
def test_the_last_moment_of_a_window_is_not_rounded_into_the_next(unit: str) -> None:
    window = decode_window({"calendar": unit, "timeZone": "Europe/Zurich"})
    index, ends = window.at(1_750_000_000.0)

    last = math.nextafter(ends, 0)
    assert decode_window({"calendar": unit, "timeZone": "Europe/Zurich"}).at(last) == (index, ends)


def test_the_two_hours_of_one_name_are_two_windows() -> None:
    window = decode_window({"calendar": "hour", "timeZone": "Europe/Zurich"})
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Zurich"), fold=0).timestamp()

    assert window.at(first)[0] != window.at(first + 3600)[0]
    assert window.at(first)[1] == pytest.approx(first + 1800)


def test_rolling_windows_and_lifetimes_have_no_index() -> None:
    assert decode_window("90s").rolling_seconds == 90
    assert decode_window("7d").rolling_seconds == 7 * 86400
    assert decode_window("lifetime").at(0) == ("", 0.0)


@pytest.mark.parametrize("written", ["0s", "soon", 5, None, {"calendar": "decade"}, {"timeZone": "UTC"}])
def test_what_is_not_a_window_is_refused(written: object) -> None:
    with pytest.raises(ValueError):
        decode_window(written)
