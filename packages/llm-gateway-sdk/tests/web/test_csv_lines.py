"""Lines of CSV as a spreadsheet reads them."""

from __future__ import annotations

import csv
import io

import pytest

from llm_gateway_sdk.web import csv_line


def read(*values: object) -> list[str]:
    return next(csv.reader(io.StringIO(csv_line(values).decode(), newline="")))


def test_what_was_written_is_read_again() -> None:
    assert read("a,b", 'two\r\n"lines"', None, 1.5, True, ["x", "y"]) == [
        "a,b",
        'two\r\n"lines"',
        "",
        "1.5",
        "true",
        "x; y",
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\uff1d1"])
def test_a_text_that_looks_like_a_formula_stays_a_text(text: str) -> None:
    assert read(text, -1) == [f"'{text}", "-1"]


def test_half_a_character_becomes_a_question_mark() -> None:
    assert read("\ud83d") == ["?"]
