"""The overview's figures lead to the list of what they count."""

from __future__ import annotations

import time
from html import unescape
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.overview import overview_page

SUMS: dict[str, Any] = {
    "requests": 200, "errors": 20, "interactions": 150, "latency": [1e6, 2e6, 3e6], "ttft": [1e5, 2e5],
    "input_tokens": 1000, "output_tokens": 500, "cache_read_tokens": 100, "reasoning_tokens": 0, "cost": 1.5,
    "unpriced": 0,
}  # fmt: skip
ROW = {"name": "gpt", "requests": 200, "errors": 20, "latency": [1e6, 2e6], "input_tokens": 1, "output_tokens": 2,
       "cost": 1.5}  # fmt: skip


def shown(earlier: dict[str, Any] | None = None, **sums: Any) -> str:
    point = {
        "start": int(time.time()) // 1800 * 1800, "requests": 200, "errors": 20, "latency": [1e6, 2e6, 3e6],
        "ttft": [1e5, 2e5], "input_tokens": 1000, "output_tokens": 500, "cost": 1.5, "speed": 40.0,
    }  # fmt: skip
    return overview_page("", Filter(), {**SUMS, **sums}, [point], {"model": [ROW]}, {}, earlier=earlier)


def test_errors_are_a_share_and_lead_to_the_failed() -> None:
    page = shown()

    assert "10.0 %" in page
    assert 'href="/interactions?range=24h&amp;status=failed"' in page
    assert 'href="/interactions?range=24h&amp;model=gpt&amp;status=failed"' in page


@pytest.mark.parametrize(
    ("requests", "words"),
    [(100, "▲ 100 % vs previous"), (400, "▼ 50 % vs previous"), (200, "same as previous")],
)
def test_figures_are_compared_with_the_span_before(requests: int, words: str) -> None:
    assert words in shown(earlier={**SUMS, "requests": requests})


def test_without_requests_there_are_no_empty_charts() -> None:
    page = shown(requests=0, errors=0)

    assert "No requests here" in page
    assert "<svg" not in page


def test_a_provider_without_requests_in_a_bucket_leaves_a_gap() -> None:
    now = int(time.time()) // 1800 * 1800
    points = [
        {"start": now - 1800, "name": "openai", "requests": 10, "errors": 1, "latency": [1e6, 2e6, 3e6]},
        {"start": now, "name": "gemini", "requests": 4, "errors": 0, "latency": [1e6, 4e6, 5e6]},
    ]
    page = unescape(overview_page("", Filter(), SUMS, [], {}, {}, providers=points))

    assert '["2.00\N{NO-BREAK SPACE}s",null]' in page
    assert '[null,"4.00\N{NO-BREAK SPACE}s"]' in page
    assert '["10 %",null]' in page
