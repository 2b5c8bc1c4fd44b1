"""JSON numbers with very many digits, which are refused.

An integer is read and written in quadratic time: thirty seconds for 60 MB of numbers of 4,000 digits, more than a
second of them in one call. No API has numbers of more than some twenty digits; the largest floating-point number has
309.

    long = any(many digits between two samples) and (outside of strings)

Digits in strings, such as in base64, are no numbers. A look at one byte in a few hundred finds whether there are many
digits anywhere, which nearly no text has; only then is the text split into strings and what is between them.
"""

from __future__ import annotations

import re

__all__ = ["MOST_DIGITS", "NumberTooLong", "has_long_number"]

MOST_DIGITS = 512
"""A number with twice as many is refused, one with as many is not."""
_SLICE = 64 * 1024
_sampled = re.compile(rb"(?=[0-9][0-9])").finditer
_digits = re.compile(rb"[0-9]+").findall


class NumberTooLong(ValueError):
    def __init__(self) -> None:
        super().__init__(f"A number has more than {MOST_DIGITS} digits.")


def has_long_number(data: bytes) -> bool:
    """Whether a JSON text, or lines of JSON, has a number with far too many digits, outside of strings."""
    start, size = 0, len(data)
    while start < size:
        samples = data[start : start + MOST_DIGITS * (_SLICE + 1) : MOST_DIGITS]
        for pair in _sampled(samples):
            place = start + pair.start() * MOST_DIGITS
            if data[place : place + MOST_DIGITS].isdigit():
                return _has_long_number(data)
        start += MOST_DIGITS * _SLICE
    return False


def _has_long_number(data: bytes) -> bool:
    in_string, start, size = False, 0, len(data)
    while start < size:
        end = min(start + _SLICE, size)
        piece = data[start:end]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and end < size:
            end += 1  # an escape is not cut
            piece = data[start:end]
        strings = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        for text in strings[in_string::2]:
            if len(text) > MOST_DIGITS and any(len(run) > MOST_DIGITS for run in _digits(text)):
                return True
        in_string ^= not len(strings) % 2
        start = end
    return False
