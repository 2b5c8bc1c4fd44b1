"""Patterns of one sign: `*` is any text, every other character for itself."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["matches_wildcard", "wildcard"]


@lru_cache(maxsize=1024)
def wildcard(pattern: str) -> re.Pattern[str]:
    """`pattern` compiled, for `fullmatch`: `claude-*[1m]` matches `claude-sonnet-4-5[1m]`."""
    pieces = re.sub(r"\*+", "*", pattern).split("*")
    return re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)


def matches_wildcard(text: str, pattern: str) -> bool:
    """Whether `pattern` matches the whole of `text`."""
    return wildcard(pattern).fullmatch(text) is not None
