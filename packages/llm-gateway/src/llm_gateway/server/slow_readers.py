"""Bounds the memory that clients hold by not reading their replies, in all and for each address.

Each such client holds what has been written for it and what has been read from its provider; idleTimeout ends one that
takes nothing at all. Many together would fill the memory before that. Then the address that holds most is cut off
first, its connections that have taken nothing for longest before the others, as many as bring the sum below the bound.
So an address that fills the memory loses its own replies, and not those of others.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from llm_gateway_sdk.guesses import network_of

__all__ = ["HELD_BYTES", "Reader", "SlowReaders"]

log = logging.getLogger("llm_gateway.server")

HELD_BYTES = 1 << 20
"""What one paused reply holds apart from its connection's buffer: pieces on their way from the provider."""
_PATIENCE_SECONDS = 2.0
"""Who has paused more recently may only be waiting for a packet."""


class Reader(Protocol):
    """A connection whose client is to read."""

    def unread_bytes(self) -> int: ...

    def address(self) -> str | None:
        """Of the client, also through trusted proxies."""
        ...

    def abort(self) -> None: ...


class SlowReaders:
    """`limit` in bytes. Connections enter when their client does not keep up, and leave when it does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self.limit = limit
        self._paused: dict[Reader, tuple[float, int]] = {}
        """When each paused, and what it held then, or when that was `weigh`ed. Nothing more is written before it has
    read."""
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None
        self.cut = 0
        """Connections that were cut off."""

    def add(self, reader: Reader) -> None:
        self.discard(reader)
        self._add(reader, self._loop.time())

    def weigh(self, reader: Reader) -> None:
        """It holds more than it did when it paused."""
        entry = self._paused.get(reader)
        if entry is not None:
            self._held -= entry[1]
            self._add(reader, entry[0])  # its place in the order stays

    def _add(self, reader: Reader, since: float) -> None:
        holds = HELD_BYTES + reader.unread_bytes()
        self._paused[reader] = since, holds
        self._held += holds
        if self._timer is None and self._held > self.limit // 2:
            self._timer = self._loop.call_later(_PATIENCE_SECONDS / 4, self._look)

    def discard(self, reader: Reader) -> None:
        entry = self._paused.pop(reader, None)
        if entry is not None:
            self._held -= entry[1]

    def held(self) -> int:
        """Bytes that slow readers hold, estimated."""
        return sum(HELD_BYTES + reader.unread_bytes() for reader in self._paused)

    def _look(self) -> None:
        self._timer = None
        excess = self.held() - self.limit
        if excess > 0:
            cut = self._cut(excess)
            if cut:
                self.cut += cut
                log.warning("%d clients that did not read their replies were cut off: memory for them is used up", cut)
        if self._held > self.limit // 2:
            self._timer = self._loop.call_later(_PATIENCE_SECONDS / 4, self._look)

    def _cut(self, excess: int) -> int:
        """How many were cut off so that `excess` bytes are free again."""
        latest = self._loop.time() - _PATIENCE_SECONDS
        waiting: dict[str, list[tuple[Reader, int, bool]]] = {}
        for reader, (since, _) in self._paused.items():  # in the order of pausing
            entry = reader, HELD_BYTES + reader.unread_bytes(), since <= latest
            waiting.setdefault(network_of(reader.address()), []).append(entry)
        held = {address: sum(size for _, size, _ in entries) for address, entries in waiting.items()}
        cut = 0
        while excess > 0 and waiting:
            most = max(waiting, key=held.__getitem__)
            reader, size, is_late = waiting[most].pop(0)
            if not waiting[most]:
                del waiting[most]
            # Who holds more than half of it all by new connections is not waiting for packets.
            if not is_late and held[most] <= self.limit // 2:
                waiting.pop(most, None)
                continue
            held[most] -= size
            excess -= size
            self.discard(reader)
            reader.abort()
            cut += 1
        return cut
