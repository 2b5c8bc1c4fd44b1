"""Lines of a long body, one after the other, so that other threads have their turn between them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from .pieces import counted

__all__ = ["each_line", "has_more_lines"]


def each_line(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number from 1, text) of the lines that are not blank, cut as `bytes.splitlines` does."""
    number = 0
    for line in BytesIO(data):
        for text in line.splitlines():
            number += 1
            if text.strip():
                yield number, text


def has_more_lines(data: bytes, limit: int) -> bool:
    """Whether there are more than `limit` ends of lines, blank lines included."""
    return len(data) > limit and counted(data, b"\n", b"\r") > 2 * limit
