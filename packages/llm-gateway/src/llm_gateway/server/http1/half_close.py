"""A client that has closed its side of the connection while a reply is due.

It may have left, or it may only send no more and wait for its reply (half-close): TCP does not distinguish the two
until something is sent. After a moment, in which most replies come anyway, bytes without meaning are sent (`probe`): a
client that has left resets the connection on them. Nothing reads from the connection any more, so no callback reports
that; it is looked for.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

__all__ = ["HalfClosed"]

_PAUSES = (0.25, 0.05, 0.2, 1.0)
"""Seconds before the probe, and before each look at what came of it. The last one repeats."""


class HalfClosedConnection(Protocol):
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def probe(self) -> None: ...

    def abort(self) -> None: ...


class HalfClosed:
    """Watches until `end`; aborts the connection where the client has left."""

    def __init__(self, connection: HalfClosedConnection) -> None:
        self._connection = connection
        self._looks = 0
        self._timer: asyncio.TimerHandle | None = connection.loop.call_later(_PAUSES[0], self._look)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        connection = self._connection
        self._timer = None
        if connection.transport.is_closing():
            return
        if not self._looks:
            connection.probe()
        elif _is_reset(connection.transport):
            connection.abort()
            return
        self._looks += 1
        pause = _PAUSES[min(self._looks, len(_PAUSES) - 1)]
        self._timer = connection.loop.call_later(pause, self._look)


def _is_reset(transport: asyncio.Transport) -> bool:
    connection = transport.get_extra_info("socket")
    if connection is None:
        return False
    try:
        return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    except OSError:
        return True
