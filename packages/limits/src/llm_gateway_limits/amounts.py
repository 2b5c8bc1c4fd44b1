"""Amounts as they are written: numbers with units, and money in whole nano-dollars."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

__all__ = ["MEASURES", "NANO", "decode_amount", "show_amount"]

MEASURES = ("requests", "tokens", "inputTokens", "outputTokens", "cost", "concurrent")
NANO = 10**9
"""Nano-dollars in a dollar."""
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


def decode_amount(measure: str, written: object) -> int:
    """The amount in units of its measure: nano-dollars for `cost` (`500 USD`, `$0.25`, `500`), else whole units
    (`1000`, `250k`, `2M`). Raises ValueError."""
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        raise ValueError(f"expected an amount, found {written!r}")
    text = str(written).strip().replace("_", "")
    if measure == "cost":
        text = text.removeprefix("$")
        text = (text[:-3] if text[-3:].lower() == "usd" else text).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([kmgb]?)", text, re.IGNORECASE)
    if match is None:
        wanted = "an amount of money such as `500 USD`" if measure == "cost" else "a number such as 1000, 250k or 2M"
        raise ValueError(f"expected {wanted}, found {written!r}{_per_window(measure, text)}")
    try:
        amount = Decimal(match[1]) * _UNITS[match[2].lower()] * (NANO if measure == "cost" else 1)
    except InvalidOperation:
        raise ValueError(f"{written!r} is not a number") from None
    if amount != int(amount):
        finest = "a nano-dollar" if measure == "cost" else "one"
        raise ValueError(f"{written!r} is not a whole multiple of {finest}")
    return int(amount)


def _per_window(measure: str, text: str) -> str:
    """The remedy for `10/min` and `10 per minute`; else empty."""
    match = re.fullmatch(r"(?i)([\d.]++\s*+[kmgb]?)\s*+(?:/|per\b)\s*(s|m|h|d|w)[a-z]*", text)
    return f"; write `{measure}: {match[1].strip()}` and `window: 1{match[2].lower()}`" if match else ""


def show_amount(measure: str, amount: int) -> str:
    """The amount for people."""
    if measure == "cost":
        dollars = Decimal(amount) / NANO
        return f"{dollars:.2f} USD" if dollars == round(dollars, 2) or dollars >= 100 else f"{dollars:f} USD"
    words = {"inputTokens": "input tokens", "outputTokens": "output tokens", "concurrent": "requests at once"}
    shown = f"{amount:,} {words.get(measure, measure)}"
    return shown.replace("requests", "request").replace("tokens", "token") if amount == 1 else shown
