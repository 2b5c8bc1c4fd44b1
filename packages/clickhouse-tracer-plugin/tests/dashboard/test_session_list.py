"""The list of sessions: each figure leads to the requests that it counts."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.finding import PAGE_SIZE
from llm_gateway_clickhouse_tracer.dashboard.session_list import sessions_page


def row(**changes: Any) -> dict[str, Any]:
    return {
        "session": "Sess-1 <b>", "first": "2026-11-23 10:00:00.000000", "latest": "2026-11-23 10:01:30.000000",
        "requests": 4, "interactions": 2, "errors": 1, "models": ["gpt", "claude"], "callers": ["app"], "users": [""],
        "tokens_in": 4000, "tokens_out": 200, "cost": 0.25,
    } | changes  # fmt: skip


def shown(chosen: Filter, *rows: dict[str, Any], total: int = 1) -> str:
    return sessions_page("/t", chosen, list(rows), {}, total)


def links(page: str) -> list[dict[str, list[str]]]:
    found = [unescape(each) for each in re.findall(r'href="(/t/interactions\?[^"]*)"', page)]
    return [parse_qs(urlsplit(each).query) for each in found]


def test_a_session_leads_to_its_requests_and_its_errors_to_those_that_failed() -> None:
    page = shown(Filter.load({"range": "7d", "q": "sess", "caller": "app"}), row())

    queries = [query for query in links(page) if "session" in query]
    assert [query.get("status") for query in queries] == [None, ["failed"]]
    assert all(query["session"] == ["Sess-1 <b>"] and query["caller"] == ["app"] for query in queries)
    assert all("q" not in query for query in queries), "the id was searched for, and not the text of requests"


def test_the_part_that_was_searched_for_is_marked() -> None:
    page = shown(Filter(search="SESS"), row())

    assert "<mark>Sess</mark>-1 &lt;b&gt;" in page
    assert 'value="SESS"' in page


def test_a_row_has_how_long_the_session_took_and_who_took_part() -> None:
    page = shown(Filter(), row(users=["ann", ""]))

    assert "after 1.5\N{NO-BREAK SPACE}min" in page
    assert re.search(r">app</a> for <a[^>]*>ann<", page)
    assert "2 interactions" in page


def test_orders_are_those_of_the_headings() -> None:
    page = shown(Filter(sort="failing"), row())

    assert re.search(r'<th [^>]*aria-sort="descending"[^>]*><a[^>]*>Errors ↓<', page)
    assert set(re.findall(r"sort=(\w+)", page)) == {"requests", "failing", "longest", "dearest"} | {"newest"}


def test_further_pages_are_links_in_the_chosen_order() -> None:
    many = [row(session=f"s{number}") for number in range(PAGE_SIZE + 1)]

    assert "before=2026-11-23+10%3A01%3A30.000000" in shown(Filter(), *many)
    assert f"skip={PAGE_SIZE}" in shown(Filter(sort="dearest"), *many)
    assert "First page" in shown(Filter(sort="dearest", skip=50), row())
    assert "Older" not in shown(Filter(), row())


def test_an_empty_list_states_why() -> None:
    assert "No request of this time names a session." in shown(Filter())
    assert "fewer conditions" in shown(Filter(search="x"))
