"""Lines of CSV for a spreadsheet, which runs none of the texts that they hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["csv_line"]

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


def csv_line(values: Iterable[Any]) -> bytes:
    """One line in UTF-8. None is empty, the items of a list are joined by a semicolon, and a text that begins like a
    formula gets an apostrophe before it."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(map(_cell, values))
    return written.getvalue().encode(errors="replace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value
