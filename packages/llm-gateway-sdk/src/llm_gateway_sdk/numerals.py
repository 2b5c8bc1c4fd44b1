"""Whole numbers as texts: in queries, headers and forms, whose writers may be strangers."""

from __future__ import annotations

__all__ = ["whole_number"]

_MOST_DIGITS = 18
"""So many always fit in 64 bits. Python itself refuses to convert texts of thousands of digits."""


def whole_number(text: str | None) -> int | None:
    """The number that `text` is in ASCII digits, without sign and spaces; None for anything else.

    `str.isdigit` is true of texts that `int` refuses (`²`), so that it is not a check before a conversion.
    """
    if text is None or len(text) > _MOST_DIGITS or not text.isascii() or not text.isdigit():
        return None
    return int(text)
