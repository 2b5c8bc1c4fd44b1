"""Charts: the data of the script, and the table that has the same figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from llm_gateway_sdk.web import Axis, Series, chart, chart_files, static_file

START = 1_790_000_000 // 86400 * 86400


def link(changes: Mapping[str, str]) -> str:
    return f"/list?{urlencode(changes)}"


DAY = Axis(START, START + 86400, 3600, link=link, zoom="/?range=24h")


def words(value: float) -> str:
    return f"{value:g} pieces"


def drawn(points: list[tuple[int, tuple[float | None, ...]]], *series: Series, axis: Axis = DAY) -> str:
    return chart(axis, points, series, "Requests", unit="count", words=words, kind="bars")


def data(figure: str) -> Any:
    return json.loads(figure.partition('<script type="application/json">')[2].partition("</script>")[0])


def rows(figure: str) -> list[list[str]]:
    body = figure.partition("<tbody>")[2]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("<tr>")[1:]]


def text(cell: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", cell))


def test_script_and_table_have_the_same_figures() -> None:
    figure = drawn([(START, (1, 2)), (START + 7200, (3, None))], Series("ok"), Series("errors"))

    found = data(figure)
    assert found["points"] == [[START, 1, 2], [START + 7200, 3, None]]
    assert (found["start"], found["end"], found["bucket"]) == (START, START + 86400, 3600)
    assert [[text(cell) for cell in row[1:]] for row in rows(figure)] == [["1 pieces", "2 pieces"], ["3 pieces", "–"]]


def test_a_figure_leads_to_its_bucket_and_its_series() -> None:
    figure = drawn([(START + 3600, (1, 2, 0))], Series("ok"), Series("errors", {"status": "failed"}), Series("none"))

    whole, *cells = rows(figure)[0]
    assert re.search(r"since=[\d-]+T01%3A00%3A00&amp;until=[\d-]+T02%3A00%3A00\"", whole)
    assert "href" not in cells[0], "it would lead where the row leads"
    assert "status=failed" in cells[1]
    assert "href" not in cells[2]


def test_a_figure_of_nothing_leads_nowhere() -> None:
    figure = drawn([(START, (0, None))], Series("a", {"x": "1"}), Series("b", {"x": "2"}))

    assert all("href" not in cell for cell in rows(figure)[0][1:])


def test_times_are_those_of_the_zone() -> None:
    axis = Axis(START, START + 86400, 3600, ZoneInfo("Asia/Kolkata"), "Asia/Kolkata")
    figure = drawn([(START, (1,))], Series("ok"), axis=axis)

    assert data(figure)["zone"] == "Asia/Kolkata"
    assert text(rows(figure)[0][0]).endswith("05:30 – 06:30")
    assert "Time (Asia/Kolkata)" in figure


def test_the_picture_is_described_in_a_sentence() -> None:
    figure = drawn([(START, (1, None)), (START + 3600, (5, None))], Series("ok"), Series("errors"))

    assert 'role="img" aria-label="Requests: ok from 1 pieces to 5 pieces"' in figure
    assert 'aria-label="Requests: nothing"' in drawn([], Series("ok"))


def test_names_stay_text() -> None:
    name = "</script><b>&"
    figure = drawn([(START, (1,))], Series(name, {"provider": name}))

    assert data(figure)["names"] == [name]
    assert "<b>&" not in figure
    assert figure.count("</script>") == 1


def test_names_without_a_colour_get_one_by_their_place() -> None:
    figure = drawn([(START, (1, 2, 3))], Series("ok"), Series("openai"), Series("errors"))

    assert re.findall(r"swatch back-(\w+)", figure) == ["ok", "c1", "errors"]


def test_the_files_of_a_chart_are_there() -> None:
    names = [name for each in chart_files("/static") for name in re.findall(r"/static/([^\"]+)", each)]

    assert len(names) == 3
    assert all(static_file(name) for name in names)
