"""Vectors as bytes: little-endian 32-bit floats in base64, the form that OpenAI's clients ask for."""

from __future__ import annotations

import array
import binascii
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence

from ..errors import DialectError

__all__ = ["from_base64", "to_base64"]


def to_base64(vector: Sequence[float]) -> str:
    try:
        floats = array.array("f", vector)
    except (OverflowError, TypeError):
        raise DialectError("an embedding has a number that a 32-bit float can't hold") from None
    if sys.byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode("ascii")


def from_base64(data: str) -> list[float]:
    """Raises DialectError."""
    try:
        raw = b64decode(data, validate=True)
        floats = array.array("f", raw)
    except (binascii.Error, ValueError):
        raise DialectError("an embedding is not valid base64 of 32-bit floats") from None
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tolist()
