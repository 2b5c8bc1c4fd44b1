"""Charts: what is drawn where, and what a script reads from them."""

from __future__ import annotations

import json
import re
from html import unescape
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from llm_gateway_clickhouse_tracer.dashboard.charts import Axis, bars, lines
from llm_gateway_clickhouse_tracer.dashboard.figures import duration

START = 1_790_000_000 // 86400 * 86400
DAY = Axis(START, START + 86400, 3600, href="/interactions?range=24h", zoom="/?range=24h")


def read(figure: str) -> Any:
    found = re.search(r'data-points="([^"]*)"', figure)
    assert found is not None
    return json.loads(unescape(found[1]))


def test_a_script_finds_the_figures_of_each_bucket_in_words() -> None:
    figure = bars(DAY, [(START + 3600, (10, 2))], ("ok", "errors"), lambda value: f"{value} pieces", "Requests")

    points = read(figure)
    assert points["names"] == ["ok", "errors"]
    [[moment, words, values]] = points["points"]
    assert moment == START + 3600
    assert words.endswith("01:00 – 02:00")
    assert values == ["10 pieces", "2 pieces"]
    assert 'data-href="/interactions?range=24h"' in figure


def test_bars_are_stacked_to_the_height_of_their_sum() -> None:
    figure = bars(DAY, [(START, (3, 1))], ("ok", "errors"), str, "Requests")

    heights = [float(height) for height in re.findall(r'<rect[^>]* height="([\d.]+)"', figure)]
    assert heights[0] == pytest.approx(3 * heights[1], abs=0.2)


def test_a_line_is_broken_where_a_bucket_is_missing() -> None:
    points: list[tuple[int, tuple[float | None]]] = [(START + 3600 * hour, (1.0,)) for hour in (0, 1, 3)]
    figure = lines(DAY, points, ("p50",), str, "Latency")

    assert figure.count('class="line') == 1
    assert figure.count("<circle") == 3


def test_names_of_providers_have_colours_of_the_style_sheet() -> None:
    names = ['open"ai', "<b>", "gemini"]
    figure = lines(DAY, [(START, (1, 2, 3))], names, str, "By provider")

    assert read(figure)["classes"] == ["c0", "c1", "c2"]
    assert "<b>" not in figure.replace("<b>By provider</b>", "")


@pytest.mark.parametrize("span", [3600, 86400, 7 * 86400, 30 * 86400, 366 * 86400])
def test_an_axis_has_a_few_ticks(span: int) -> None:
    ticks = Axis(START, START + span, 3600, ZoneInfo("Asia/Kolkata")).ticks()

    assert 2 <= len(ticks) <= 6


@pytest.mark.parametrize("span", [3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400])
@pytest.mark.parametrize("offset", range(0, 7200, 700))
def test_texts_of_the_time_axis_do_not_touch(span: int, offset: int) -> None:
    axis = Axis(START + offset, START + offset + span, max(60, span // 48))
    figure = lines(axis, [], ("p50",), str, "Latency")
    places = [float(x) for x in re.findall(r'<text x="([0-9.]+)%" y="145"', figure)]

    assert 2 <= len(places) <= 6
    assert all(5 <= x <= 95 for x in places)
    assert all(after - before >= 100 / 6 - 0.1 for before, after in pairwise(places))


def test_without_points_there_is_a_frame() -> None:
    assert read(lines(DAY, [], ("p50",), str, "Latency"))["points"] == []


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(7e6, ["0", "5 s", "10 s", "15 s"]), (9 * 60e6, ["0", "5 min", "10 min", "15 min"]),
     (0.5e6, ["0", "200 ms", "400 ms", "600 ms"]), (80e6, ["0", "30 s", "1 min", "1.5 min"])],
)  # fmt: skip
def test_a_scale_of_times_has_steps_of_a_clock(most: float, ticks: list[str]) -> None:
    figure = lines(DAY, [(START, (most,))], ("p50",), duration, "Latency").replace("\N{NO-BREAK SPACE}", " ")

    assert (
        re.findall(r'text-anchor="end">([^<]+)<', figure.partition('class="scale"')[2].partition("</svg>")[0]) == ticks
    )
