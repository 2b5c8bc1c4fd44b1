"""Values in queries of the administration API. Each function raises AdminError (400) for a value that does not fit."""

from __future__ import annotations

import math

from llm_gateway_sdk.admin import AdminCall, AdminError
from llm_gateway_sdk.numerals import whole_number

__all__ = ["moment_in", "number_in", "size_in"]

_MOST_ROWS = 1000


def size_in(call: AdminCall, name: str, default: int) -> int:
    """How many rows a page has: 1 to 1000."""
    size = number_in(call, name, default)
    if not 1 <= size <= _MOST_ROWS:
        raise AdminError(400, f"`{name}` is a number from 1 to {_MOST_ROWS}.")
    return size


def number_in(call: AdminCall, name: str, default: int) -> int:
    """A whole number, 0 or more."""
    number = whole_number(call.query.get(name, "") or str(default))
    if number is None:
        raise AdminError(400, f"`{name}` is not a number.")
    return number


def moment_in(call: AdminCall, name: str, default: float) -> float:
    """Seconds since the epoch; infinity is a time after all others."""
    try:
        moment = float(call.query[name]) if name in call.query else default
    except ValueError:
        moment = math.nan
    if math.isnan(moment):
        raise AdminError(400, f"`{name}` is a time in seconds since the epoch.")
    return moment
