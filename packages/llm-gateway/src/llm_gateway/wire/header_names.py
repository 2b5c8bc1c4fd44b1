"""Names of headers in lower case, each decoded once for all connections."""

from __future__ import annotations

import sys

__all__ = ["HeaderNames"]

_MOST = 2048
"""Names that are remembered. Clients and upstreams may invent names: the table must not grow with them."""


class HeaderNames(dict[bytes, str]):
    """`names[b"Content-Type"]` is the interned `content-type`, for each name that a parser meets."""

    __slots__ = ()

    def __missing__(self, name: bytes) -> str:
        known = sys.intern(name.decode("latin-1").lower())
        if len(self) < _MOST:
            self[name] = known
        return known
