"""Requests as CSV for a spreadsheet: one line each, the narrow columns, without bodies."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["CSV_COLUMNS", "csv_lines"]

CSV_COLUMNS: Final = (
    "ts", "request_id", "interaction_id", "session_id", "project", "adapter", "operation", "caller", "principal",
    "team", "org", "user_id", "model_requested", "model_routed", "model_answered", "provider", "status", "http_status",
    "error_kind", "error", "attempts", "stream", "duration_us", "ttft_us", "input_tokens", "output_tokens",
    "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usage_estimated", "cost_usd", "finish_reason",
    "tool_calls", "losses", "prompt", "answer",
)  # fmt: skip

_FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\N{FULLWIDTH EQUALS SIGN}",
    "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH HYPHEN-MINUS}",
    "\N{FULLWIDTH COMMERCIAL AT}",
)


def csv_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The head, and a line per row. Lists are joined by a semicolon; what is unknown is empty."""
    yield _line(CSV_COLUMNS)
    for row in rows:
        yield _line([_cell(row.get(name)) for name in CSV_COLUMNS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    # A spreadsheet would run a text of a prompt that begins like a formula.
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value


def _line(cells: Iterable[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue().encode(errors="replace")
