"""How exact the event loop's timers are."""

from __future__ import annotations

__all__ = ["CLOCK_STEP"]

CLOCK_STEP = 0.002
"""Seconds by which a timer may fire before its time: uvloop's clock counts milliseconds, and its delays are rounded to
them. Comparing the clock with a due time allows for as much."""
