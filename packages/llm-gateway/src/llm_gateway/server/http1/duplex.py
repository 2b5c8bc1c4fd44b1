"""What a client sends on a connection that has left HTTP: bytes as they come, at the pace at which they are taken."""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["Duplex"]

_HIGH_WATER = 256 * 1024
"""Bytes that wait to be taken before reading from the connection pauses."""


class Readable(Protocol):
    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Duplex:
    """`going_away` is set when the server begins to end: the handler of the connection then ends it cleanly."""

    __slots__ = ("_connection", "_ended", "_paused", "_pieces", "_size", "_waiter", "going_away")

    def __init__(self, connection: Readable) -> None:
        self._connection = connection
        self._pieces: list[bytes] = []
        self._size = 0
        self._paused = self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self.going_away = asyncio.Event()

    # The connection's side.

    def feed(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake()
        if self._size > _HIGH_WATER and not self._paused:
            self._paused = True
            self._connection.pause_reading()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    def go_away(self) -> None:
        self.going_away.set()

    # The reader's side.

    async def read(self) -> bytes:
        """What has come since the last time; `b""` at the end. One reader at a time."""
        while not self._pieces:
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        pieces, self._pieces, self._size = self._pieces, [], 0
        if self._paused:
            self._paused = False
            self._connection.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
