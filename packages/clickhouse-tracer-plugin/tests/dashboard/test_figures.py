"""Numbers as people read them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from llm_gateway_clickhouse_tracer.dashboard.figures import count, duration, moment, money, share

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0"), (999, "999"), (9_999, "9,999"), (10_000, "10.0k"), (1_500_000, "1.5M"), (2e9, "2.0G"),
     ("12", "12"), (-20_000, "-20.0k")],
)  # fmt: skip
def test_counts(value: Any, shown: str) -> None:
    assert count(value) == shown


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [(None, "–"), (float("nan"), "–"), (0, "0"), (999, f"999{SPACE}µs"), (1_000, f"1{SPACE}ms"),
     (999_400, f"999{SPACE}ms"), (1_500_000, f"1.50{SPACE}s"), (90_000_000, f"1.5{SPACE}min"),
     (7.1e9, f"118.3{SPACE}min"), (36e9, f"10.0{SPACE}h"), (864e9, f"10.0{SPACE}days")],
)  # fmt: skip
def test_durations(microseconds: Any, shown: str) -> None:
    assert duration(microseconds) == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(None, "unknown"), (0, "$0"), (1234.5, "$1,234.50"), (0.5, "$0.5000"), (0.00001, "$0.000010")],
)
def test_money(dollars: Any, shown: str) -> None:
    assert money(dollars) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"), [(1, 4, "25.0 %"), (None, 4, "0.0 %"), (1, 0, "–"), (1, None, "–")]
)
def test_shares(part: Any, whole: Any, shown: str) -> None:
    assert share(part, whole) == shown


def test_moments_are_shown_by_the_clock_of_a_zone() -> None:
    text = "2026-11-23 23:30:00.123456"

    assert moment(text) == "2026-11-23 23:30:00"
    assert moment(text, ZoneInfo("Europe/Zurich")) == "2026-11-24 00:30:00"
    assert (moment(""), moment(None), moment("not a time")) == ("–", "–", "not a time")
