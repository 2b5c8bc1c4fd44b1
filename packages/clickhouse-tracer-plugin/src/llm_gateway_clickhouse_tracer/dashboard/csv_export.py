"""Requests as CSV for a spreadsheet: one line each, the narrow columns, without bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from llm_gateway_sdk.web import csv_line

__all__ = ["CSV_COLUMNS", "csv_lines"]

CSV_COLUMNS: Final = (
    "ts", "request_id", "interaction_id", "session_id", "project", "adapter", "operation", "caller", "principal",
    "team", "org", "user_id", "model_requested", "model_routed", "model_answered", "provider", "status", "http_status",
    "error_kind", "error", "attempts", "stream", "duration_us", "ttft_us", "input_tokens", "output_tokens",
    "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usage_estimated", "cost_usd", "unpriced",
    "finish_reason", "tool_calls", "losses", "prompt", "answer",
)  # fmt: skip


def csv_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The head, and a line per row. Lists are joined by a semicolon; what is unknown is empty."""
    yield csv_line(CSV_COLUMNS)
    for row in rows:
        yield csv_line(row.get(name) for name in CSV_COLUMNS)
