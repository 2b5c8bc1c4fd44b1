"""Of a query string goes out what an API knows."""

from __future__ import annotations

import pytest

from llm_gateway.exchange.seen import seen_query


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ""),
        ("alt=sse&key=k-1%2F2", "alt=sse&key=k-1%2F2"),
        ("api-version=2024-10-21&beta=true", "api-version=2024-10-21&beta=true"),
        ("alt=123-45-6789&note=hello", ""),
    ],
)
def test_free_text_is_left_out(query: str, left: str) -> None:
    assert seen_query(query) == left
