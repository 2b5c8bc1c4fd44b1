"""The list: order, pages, and the place that was searched for."""

from __future__ import annotations

import json
import re
from typing import Any

from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.finding import PAGE_SIZE, Page
from llm_gateway_clickhouse_tracer.dashboard.listing import COLUMNS, interactions_page, tail_event


def row(**changes: Any) -> dict[str, Any]:
    return {
        "interaction_id": "int_1", "started": "2026-11-23 10:00:00.000000", "requests": 1, "question": "Will it rain?",
        "reply": "Yes", "outcome": "ok", "failure": "", "finish": "stop", "tools": [], "models": ["gpt"],
        "in_project": "production", "who": "app", "session": "", "spent_us": 1e6, "first_us": None, "tokens_in": 1,
        "tokens_out": 2, "cost": 0.1,
    } | changes  # fmt: skip


def shown(chosen: Filter, *rows: dict[str, Any], total: int | None = None) -> str:
    return interactions_page("", chosen, Page(list(rows)), {}, total)


def test_what_was_searched_for_is_marked_wherever_it_is() -> None:
    page = shown(Filter(search="umbrella"), row(question="x " * 200 + "An UMBRELLA, please " + "y " * 200))

    assert "<mark>UMBRELLA</mark>" in page
    assert "found in an earlier message" in shown(Filter(search="umbrella"), row())


def test_a_failure_is_shown_in_place_of_the_answer() -> None:
    page = shown(Filter(), row(outcome="error", failure="overloaded <b>", reply="Yes"))

    assert "overloaded &lt;b&gt;" in page
    assert "Yes" not in page


def test_further_pages_are_links_in_the_chosen_order() -> None:
    many = [row(interaction_id=f"int_{number}") for number in range(PAGE_SIZE + 1)]

    assert "before=2026-11-23+10%3A00%3A00.000000" in shown(Filter(), *many)
    assert "sort=slowest&amp;skip=50" in shown(Filter(sort="slowest"), *many)
    assert "skip=50" in shown(Filter(sort="slowest", skip=100), row())
    assert "Older" not in shown(Filter(), row())


def test_the_order_is_marked_on_its_column() -> None:
    assert (
        '<th scope="col" data-col="time" aria-sort="descending"><a href="/interactions?range=24h&amp;sort=slowest"'
        in shown(Filter(sort="slowest"), row())
    )


def test_every_column_is_there_and_the_usual_ones_are_shown() -> None:
    page = shown(Filter(), row())

    for column in COLUMNS:
        cell = re.search(rf'<td data-col="{column.key}"[^>]*>', page)
        assert cell is not None, column.key
        assert ("hidden" in cell[0]) is not column.shown


def test_a_live_list_is_offered_where_new_rows_belong_at_the_top() -> None:
    assert 'data-tail="/tail?range=24h"' in shown(Filter(), row())
    for chosen in (Filter(sort="slowest"), Filter(search="x"), Filter(before="2026-11-23"), Filter(until="2026-11-23")):
        assert "data-tail" not in shown(chosen, row())


def test_an_event_has_whole_rows_in_one_line() -> None:
    event = tail_event("/t", Filter(), [row(question="two\nlines <script>")]).decode()

    head, data = event.removesuffix("\n\n").rsplit("\n", 1)
    assert head.startswith("retry: 1000\nid: ")
    [made] = json.loads(data.removeprefix("data: "))
    assert made["id"] == "int_1"
    assert made["html"].startswith("<tr")
    assert "<script>" not in made["html"]


def test_refusals_of_one_kind_are_closed_below_the_first() -> None:
    refused = [
        row(interaction_id=f"int_{number}", outcome="refused", failure=f"{number} tokens left", question="", cost=None)
        for number in range(4)
    ]
    page = shown(Filter(), row(), *refused)

    assert re.findall(r'data-alike="(\d+)">([^<]+)<', page) == [("3", "3 more alike, to 11-23 10:00:00")]
    assert re.findall(r'data-id="([^"]+)"', page) == ["int_1", "int_0", "int_1", "int_2", "int_3"]
    assert "(text not recorded)" in page
    assert "unknown" not in page
