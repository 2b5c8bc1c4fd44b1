"""The overview's figures lead to the list of what they count."""

from __future__ import annotations

import json
import re
import time
from html import unescape
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.overview import overview_page

SUMS: dict[str, Any] = {
    "requests": 200, "errors": 20, "interactions": 150, "latency": [1e6, 2e6, 3e6], "ttft": [1e5, 2e5],
    "input_tokens": 1000, "output_tokens": 500, "cache_read_tokens": 100, "reasoning_tokens": 0, "cost": 1.5,
    "unpriced": 0, "priced_in_part": 0, "estimated": 0,
}  # fmt: skip
ROW = {"name": "gpt", "requests": 200, "errors": 20, "latency": [1e6, 2e6], "input_tokens": 1, "output_tokens": 2,
       "cost": 1.5}  # fmt: skip


def shown(earlier: dict[str, Any] | None = None, **sums: Any) -> str:
    point = {
        "start": int(time.time()) // 1800 * 1800, "requests": 200, "errors": 20, "latency": [1e6, 2e6, 3e6],
        "ttft": [1e5, 2e5], "input_tokens": 1000, "output_tokens": 500, "cost": 1.5, "speed": 40.0,
    }  # fmt: skip
    statuses = [
        {"start": point["start"], "status": status, "requests": requests}
        for status, requests in (("ok", 180), ("error", 15), ("refused", 5))
    ]
    return overview_page(
        "", Filter(), {**SUMS, **sums}, [point], {"model": [ROW]}, {}, earlier=earlier, statuses=statuses
    )


def test_errors_are_a_share_and_lead_to_the_failed() -> None:
    page = shown()

    assert "10.0 %" in page
    assert 'href="/interactions?range=24h&amp;status=failed"' in page
    assert 'href="/interactions?range=24h&amp;model=gpt&amp;status=failed"' in page


def test_what_the_cost_lacks_and_what_was_estimated_is_named() -> None:
    assert "list prices" in shown()
    page = shown(unpriced=3, priced_in_part=2, estimated=7)

    assert "3 requests without a price, 2 priced in part" in page
    assert "0 thinking, 7 requests estimated" in page


@pytest.mark.parametrize(
    ("requests", "words"),
    [(100, ">▲ 100 %<"), (400, ">▼ 50 %<"), (200, ">as before<")],
)
def test_figures_are_compared_with_the_span_before(requests: int, words: str) -> None:
    assert words in shown(earlier={**SUMS, "requests": requests})


def test_without_requests_there_are_no_empty_charts() -> None:
    page = shown(requests=0, errors=0)

    assert "No requests here" in page
    assert "<figure" not in page


def data(page: str, title: str) -> Any:
    """What the script of the chart with this title gets."""
    figure = next(part for part in page.split("<figure")[1:] if f"<b>{title}</b>" in part)
    return json.loads(figure.partition('<script type="application/json">')[2].partition("</script>")[0])


def test_refusals_are_a_series_apart_from_errors() -> None:
    page = shown()

    requests = data(page, "Requests")
    assert requests["names"] == ["ok", "refused", "errors"]
    assert [point[1:] for point in requests["points"]] == [[180, 5, 15]]


def test_each_figure_of_a_chart_leads_to_what_it_counts() -> None:
    table = shown().partition("<figure")[2].partition("<tbody>")[2].partition("</tbody>")[0]

    links = [unescape(link) for link in re.findall(r'href="([^"]*)"', table)]
    assert len(links) == 4
    assert all("since=" in link and "until=" in link for link in links)
    assert [status for link in links for status in re.findall(r"status=(\w+)", link)] == ["ok", "refused", "error"]


def test_a_provider_without_requests_in_a_bucket_leaves_a_gap() -> None:
    now = int(time.time()) // 1800 * 1800
    points = [
        {"start": now - 1800, "name": "openai", "requests": 10, "errors": 1, "latency": [1e6, 2e6, 3e6]},
        {"start": now, "name": "gemini", "requests": 4, "errors": 0, "latency": [1e6, 4e6, 5e6]},
    ]
    page = overview_page("", Filter(), SUMS, [], {}, {}, providers=points)

    latency, errors = data(page, "Latency by provider, p95"), data(page, "Errors by provider")
    assert latency["names"] == errors["names"] == ["openai", "gemini"]
    assert [point[1:] for point in latency["points"]] == [[2e6, None], [None, 4e6]]
    assert [point[1:] for point in errors["points"]] == [[10, None], [None, 0]]
