"""What came in one read, taken in portions: thousands of small requests fit into it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["HEADS", "portion_of_body", "take_in_portions"]

HEADS = 8192
"""Bytes that are taken for heads at once."""
_BODY = 65536
"""Bytes of a body whose length is not known."""


def portion_of_body(length: int | None, came: int) -> int:
    """Bytes of a body of this length that are taken at once: what follows it is another request."""
    return _BODY if length is None else max(1, length - came)


def take_in_portions(data: bytes, size: Callable[[], int], take: Callable[[bytes], None]) -> bytes:
    """Gives `take` as many bytes at a time as `size` allows. Returns those from where that is 0."""
    while data and (portion := size()):
        take(data[:portion])
        data = data[portion:]
    return data
