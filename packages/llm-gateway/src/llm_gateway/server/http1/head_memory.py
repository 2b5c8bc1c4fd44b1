"""Heads that were accepted on any connection of a server, so that a new connection does not begin from nothing.

Whether a head is valid, and what it means, follows from its bytes alone. A client that opens a connection for each
request, or a thousand clients that are the same program, send the same head again and again, and it is read once.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from .head import Head

__all__ = ["HeadMemory", "RememberedHead", "split_at_length"]

_MOST = 256
_LONGEST = 4096
"""Heads hold credentials, and strangers may invent them: few are kept, and none that is long."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,10})(?=[ \t]*\r\n)", re.IGNORECASE)


@dataclass(slots=True, frozen=True)
class RememberedHead:
    """A head that was accepted, cut at the digits of its length."""

    before: bytes
    after: bytes
    """Empty where it has no length, and so no body."""
    head: Head
    place: int
    """Of `content-length` among the headers."""
    digits_at: int
    after_length: int


def split_at_length(raw: bytes) -> tuple[bytes, bytes, bytes] | None:
    """A head before, at and after the digits of its first length; None where it has none."""
    found = _LENGTH.search(raw)
    return None if found is None else (raw[: found.start(1)], found[1], raw[found.end(1) :])


class HeadMemory:
    """Of one server. Its heads share their facts over all connections, so that it is emptied where these may change."""

    def __init__(self) -> None:
        self._heads: OrderedDict[tuple[bytes, bytes], RememberedHead] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heads)

    def find(self, data: bytes) -> RememberedHead | None:
        """A head like the one that `data` begins with, up to its length; who uses it compares the bytes."""
        end = data.find(b"\r\n\r\n", 0, _LONGEST) + 4
        parts = split_at_length(data[:end]) if end >= 4 and self._heads else None
        return None if parts is None else self._heads.get((parts[0], parts[2]))

    def add(self, remembered: RememberedHead) -> None:
        before, after = remembered.before, remembered.after
        if after and len(before) + len(after) < _LONGEST:
            if len(self._heads) >= _MOST:
                self._heads.popitem(last=False)
            self._heads[before, after] = remembered

    def clear(self) -> None:
        self._heads.clear()
