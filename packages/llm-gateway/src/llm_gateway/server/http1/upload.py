"""A body that is handed on while it arrives. Reading from its connection pauses while what has come is not taken."""

from __future__ import annotations

import asyncio
from typing import Protocol

from llm_gateway_sdk import GatewayError

from .pace import Pace

__all__ = ["Upload"]

_HIGH_WATER = 256 * 1024
"""Bytes that wait to be taken before reading pauses."""


class Readable(Protocol):
    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Upload:
    """`length` is that of the body, where its head gives one."""

    __slots__ = ("_connection", "_ended", "_error", "_held", "_pace", "_pieces", "_size", "_waiter", "length")

    def __init__(self, length: int | None, connection: Readable, pace: Pace) -> None:
        self.length = length
        self._connection = connection
        self._pace = pace
        self._pieces: list[bytes] = []
        self._size = 0
        self._held = self._ended = False
        self._error: GatewayError | None = None
        self._waiter: asyncio.Future[None] | None = None

    # The connection's side.

    def feed(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake()
        if self._size > _HIGH_WATER and not self._held:
            self._held = True
            self._pace.hold()
            self._connection.pause_reading()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def fail(self, error: GatewayError) -> None:
        """The rest will not come, or is not taken."""
        if not self._ended:
            self._error = error
            self._wake()

    # The reader's side.

    async def read(self) -> bytes:
        """What has come since the last time; `b""` at the end. Raises GatewayError where the rest does not come."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        pieces, self._pieces, self._size = self._pieces, [], 0
        if self._held:
            self._held = False
            self._pace.go_on()
            self._connection.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
