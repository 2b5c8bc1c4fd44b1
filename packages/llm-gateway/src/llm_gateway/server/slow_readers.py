"""Bounds the memory that clients hold by not reading their replies, in all.

Each such client holds what has been written for it and what has been read from its provider; idleTimeout ends one that
takes nothing at all. Many together would fill the memory before that: then the ones that have taken nothing for longest
are cut off, as many as bring the sum below the bound.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

__all__ = ["Reader", "SlowReaders"]

log = logging.getLogger("llm_gateway.server")

HELD_BYTES = 1 << 20
"""What one paused reply holds apart from its connection's buffer: pieces on their way from the provider."""
_PATIENCE_SECONDS = 2.0
"""Who has paused more recently may only be waiting for a packet."""


class Reader(Protocol):
    """A connection whose client is to read."""

    def unread_bytes(self) -> int: ...

    def abort(self) -> None: ...


class SlowReaders:
    """`limit` in bytes. Connections enter when their client does not keep up, and leave when it does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self.limit = limit
        self._paused: dict[Reader, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.cut = 0
        """Connections that were cut off."""

    def add(self, reader: Reader) -> None:
        self._paused[reader] = self._loop.time()
        if self._timer is None and len(self._paused) * HELD_BYTES > self.limit // 2:
            self._timer = self._loop.call_later(_PATIENCE_SECONDS / 4, self._look)

    def discard(self, reader: Reader) -> None:
        self._paused.pop(reader, None)

    def held(self) -> int:
        """Bytes that slow readers hold, estimated."""
        return sum(HELD_BYTES + reader.unread_bytes() for reader in self._paused)

    def _look(self) -> None:
        self._timer = None
        excess = self.held() - self.limit
        latest = self._loop.time() - _PATIENCE_SECONDS
        cut = 0
        for reader, since in list(self._paused.items()):  # in the order of pausing
            if excess <= 0 or since > latest:
                break
            excess -= HELD_BYTES + reader.unread_bytes()
            self._paused.pop(reader, None)
            reader.abort()
            cut += 1
        if cut:
            self.cut += cut
            log.warning("%d clients that did not read their replies were cut off: memory for them is used up", cut)
        if self._paused and len(self._paused) * HELD_BYTES > self.limit // 2:
            self._timer = self._loop.call_later(_PATIENCE_SECONDS / 4, self._look)
