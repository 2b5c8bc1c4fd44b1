"""Spans back from now and by the calendar, on the pages of teams."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


def monday() -> datetime:
    now = datetime.now(UTC)
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())


@pytest.mark.parametrize("path", ["/teams?", "/team?name=search&"])
def test_each_span_is_one_click_away_and_marked(traced_admin: Any, path: str) -> None:
    bar = traced_admin.get(path).text.partition('aria-label="Time range"')[2].partition("(UTC)")[0]
    offered = re.findall(r'range=([\w-]+)"', bar)

    assert offered == ["24h", "7d", "30d", "this-week", "last-week", "this-month", "last-month"]
    for key in offered:
        page = unescape(traced_admin.get(f"{path}range={key}").text)
        assert re.findall(r'range=([\w-]+)"[^>]*aria-current="true"', page) == [key]


def test_what_a_team_spent_on_each_model_last_week_is_one_page(traced_admin: Any) -> None:
    page = unescape(traced_admin.get("/team?name=search&range=last-week").text)

    start, end = monday() - timedelta(days=7), monday()
    assert f"last week, {start:%d %b} to {end - timedelta(days=1):%d %b %Y} (UTC)" in page
    spent = page.partition("Spend by model")[2]
    [link] = re.findall(r'href="(/console/traces/\?[^"]*model=search[^"]*)"', spent)
    query = parse_qs(urlsplit(link).query)
    assert query == {
        "team": ["search"],
        "model": ["search"],
        "since": [f"{start:%Y-%m-%d %H:%M:%S}"],
        "until": [f"{end:%Y-%m-%d %H:%M:%S}"],
    }


def test_an_unknown_span_is_the_usual_one(traced_admin: Any) -> None:
    for key in ("", "1y", "<b>"):
        assert "last 7 days (UTC)" in traced_admin.get(f"/teams?range={key}").text
