"""Durations and sizes as people write them. Pure functions from text to numbers."""

from __future__ import annotations

import re
from math import inf

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|min|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|k|kb|kib|m|mb|mib|g|gb|gib)?", re.IGNORECASE)
_BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

_LONGEST_SECONDS = 100_000 * 86_400.0
_MOST_BYTES = 1 << 60
"""Beyond them no clock and no memory counts."""

_TIME_WORDS = {"milli": "ms", "sec": "s", "min": "m", "hour": "h", "hr": "h", "day": "d"}
_SIZE_WORDS = {"byte": "B", "kilo": "KiB", "kibi": "KiB", "mega": "MiB", "mebi": "MiB", "giga": "GiB", "gibi": "GiB"}
"""Units that are written out, by how they begin."""


def _in_short(value: object, words: dict[str, str]) -> str:
    """The remedy for `30 seconds`; else empty."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", value.strip().lower()) if isinstance(value, str) else None
    unit = next((unit for word, unit in words.items() if match and match[2].startswith(word)), None)
    return f" (write {match[1]}{unit})" if match and unit else ""


def decode_duration(value: object) -> float:
    """Seconds. A bare number is milliseconds; text has a unit (`500ms`, `15s`, `2m`, `1h`, `1m30s`).

    Raises `ValueError` telling what would be right.
    """
    seconds = _seconds(value)
    if seconds is not None and seconds <= _LONGEST_SECONDS:
        return seconds
    raise ValueError(
        "expected a duration: a number of milliseconds, or text with a unit such as 15s, 500ms, 2m"
        + (_in_short(value, _TIME_WORDS) if seconds is None else "; at most 100000d")
    )


def _seconds(value: object) -> float | None:
    """None where it can not be read as a duration."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return value / 1000 if value < _LONGEST_SECONDS * 1001 else inf
    if isinstance(value, str):
        text = value.strip().lower()
        if re.fullmatch(r"\d+(?:\.\d+)?", text):
            return float(text) / 1000
        parts = _DURATION.findall(text)
        if parts and re.fullmatch(rf"(?:{_DURATION.pattern}\s*)+", text):
            return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    return None


def decode_size(value: object) -> int:
    """Bytes. Text takes a unit (`64KiB`, `10MB`, `1g`); all units are powers of 1024.

    Raises `ValueError` telling what would be right.
    """
    size: float | None = None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = float(match[1]) * _BYTES[(match[2] or "")[:1].lower()]
    if size is not None and size <= _MOST_BYTES:
        return int(size)
    raise ValueError(
        "expected a size: a number of bytes, or text with a unit such as 64KiB, 10MiB"
        + (_in_short(value, _SIZE_WORDS) if size is None else f"; at most {_MOST_BYTES >> 30}GiB")
    )


def show_duration(seconds: float) -> str:
    """`90.0` as `90s`, `0.25` as `250ms`."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def show_size(size: int) -> str:
    """`65536` as `64KiB`."""
    for unit, step in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= step and size % step == 0:
            return f"{size // step}{unit}"
    return str(size)
