"""A connection's transport: gathered writes, back pressure, and ways to end it."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from ..slow_readers import HELD_BYTES
from .door import Door
from .duplex import Duplex

__all__ = ["FULL_READ", "Channel"]

log = logging.getLogger("llm_gateway.server")

_LINGER_SECONDS = 2.0
"""How long what a refused client still sends is read and thrown away: closing on unread bytes would make the kernel
take back the reply."""
_WRITTEN_ALONE = 64 * 1024
FULL_READ = 128 * 1024
"""Reading at least as much at once means that there is probably more."""


class Channel(asyncio.Protocol):
    """`door` is shared with the other connections of the server."""

    transport: asyncio.Transport

    def __init__(self, door: Door) -> None:
        self.door = door
        self.loop = door.loop
        self.write_paused = False
        self.read_paused = False
        self.client_ip: str | None = None
        self._writable: asyncio.Future[None] | None = None
        self._held = 0
        """Bytes that wait with the client, beyond those that were written."""
        self._deaf = False
        """Nothing that comes is read as HTTP any more."""
        self._duplex: Duplex | None = None
        """Gets what comes, where the connection goes on in another protocol."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.door.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.door.connections.discard(self)
        self.door.slow_readers.discard(self)
        self._deaf = True
        self.resume_writing()

    def shutdown(self) -> None:
        """The server ends."""
        self.close()

    def send(self, data: bytes) -> None:
        """Writes at the end of the loop's turn, with the others; what is large is worth a write by itself."""
        if len(data) > _WRITTEN_ALONE:
            self.door.writes.flush()
            self.write_out(data)
        else:
            self.door.writes.add(self, data)

    def write_out(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def leave_http(self, rest: bytes) -> Duplex:
        """From here on what comes is another protocol's. `rest` has come already."""
        self._deaf = True
        duplex = self._duplex = Duplex(self)
        if rest:
            duplex.feed(rest)
        if self.door.draining:
            duplex.go_away()
        return duplex

    def close(self) -> None:
        """Ends the connection after what has been written."""
        self._deaf = True
        self.door.writes.flush()
        self.transport.close()

    def abort(self) -> None:
        """Breaks the connection off; what was written before may still arrive."""
        self._deaf = True
        self.door.writes.flush()
        self.transport.abort()

    def close_gently(self) -> None:
        """Ends the connection so that the client can still read the reply: it may be in the middle of sending."""
        self._deaf = True
        transport = self.transport
        if transport.is_closing():
            return
        self.door.writes.flush()
        if not transport.can_write_eof():
            transport.close()
            return
        self.resume_reading()
        transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, transport.close)

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def yield_turn_after(self, size: int) -> None:
        """After a full read, no more is read before others have had their turn of the event loop: it would read up to 8
        MB from one connection."""
        if size >= FULL_READ and not self.read_paused:
            self.transport.pause_reading()
            self.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self.write_paused = True
        self.door.slow_readers.add(self)

    def resume_writing(self) -> None:
        self.write_paused = False
        self.door.slow_readers.discard(self)
        waiting, self._writable = self._writable, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def unread_bytes(self) -> int:
        return self.transport.get_write_buffer_size() + self._held

    def address(self) -> str | None:
        """Who is connected; a proxy, where one is in front."""
        return self.client_ip

    async def wait_writable(self, held: int = 0) -> None:
        """Until the client has taken what was written, or has left; `held` further bytes wait with it. One that takes
        nothing at all for `idle_timeout` is cut off."""
        if held > HELD_BYTES:
            self._held = held
            self.door.slow_readers.weigh(self)
        try:
            await self._wait_for_reader()
        finally:
            self._held = 0

    async def _wait_for_reader(self) -> None:
        transport = self.transport
        while self.write_paused and not transport.is_closing():
            left = transport.get_write_buffer_size()
            if self._writable is None:
                self._writable = self.loop.create_future()
            patience = self.door.limits.idle_timeout
            done, _ = await asyncio.wait((self._writable,), timeout=patience)
            if not done and self.write_paused and transport.get_write_buffer_size() >= left:
                log.info("a client read nothing of its reply for %g s", patience)
                transport.abort()
                return
