"""Bytes that a connection hands on while they arrive: kept until they are read, and reading from the connection pauses
while too much waits.

Two handlers read like this: of a body that is handed on as an upload, and of a connection that has left HTTP.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from llm_gateway_sdk import GatewayError

__all__ = ["Intake", "Readable"]

_HIGH_WATER = 256 * 1024
"""Bytes that wait to be taken before reading from the connection pauses."""


class Readable(Protocol):
    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Intake:
    """One reader at a time; `feed`, `end` and `fail` belong to the connection."""

    __slots__ = ("_connection", "_ended", "_error", "_held", "_pieces", "_size", "_waiter")

    def __init__(self, connection: Readable) -> None:
        self._connection = connection
        self._pieces: list[bytes] = []
        self._size = 0
        self._held = self._ended = False
        self._error: GatewayError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake()
        if self._size > _HIGH_WATER and not self._held:
            self._held = True
            self._hold()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    def fail(self, error: GatewayError) -> None:
        """The rest will not come, or is not taken."""
        if not self._ended:
            self._error = error
            self._wake()

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
            self._go_on()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _hold(self) -> None:
        self._connection.pause_reading()

    def _go_on(self) -> None:
        self._connection.resume_reading()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
