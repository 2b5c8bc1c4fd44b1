"""A connection for another protocol than HTTP: bytes both ways, each at the pace of the side that takes them."""

from __future__ import annotations

import asyncio
from typing import cast

__all__ = ["Stream"]

_HIGH_WATER = 256 * 1024
"""Bytes that wait to be taken before reading from the connection pauses."""
_LINGER_SECONDS = 5.0
"""After `close`, how long the server has to take what was written."""


class Stream(asyncio.Protocol):
    """See ByteStream of the SDK."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = self._paused = False
        self._full = False
        """The transport takes no more for now."""
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        self._wake_reader()
        if self._size > _HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake_reader()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._wake_reader()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        writer, self._writer = self._writer, None
        if writer is not None and not writer.done():
            writer.set_result(None)

    # The user's side. One reads, one writes.

    async def read(self) -> bytes:
        while not self._pieces:
            if self._ended:
                return b""
            self._reader = self._loop.create_future()
            await self._reader
        pieces, self._pieces, self._size = self._pieces, [], 0
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        while self._full and not transport.is_closing():
            if self._writer is None:
                self._writer = self._loop.create_future()
            await asyncio.shield(self._writer)

    def close(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.close()
            self._loop.call_later(_LINGER_SECONDS, transport.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)
