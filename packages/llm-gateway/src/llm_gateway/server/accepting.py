"""Takes connections that wait together off a listening socket together.

libuv, below uvloop, takes one connection in each turn of its loop. A turn under load is long, so that of a thousand
clients that come at once the last ones would wait for seconds while those before them are served again and again.
asyncio's own loop takes all that wait, and needs none of this.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

__all__ = ["Accepting"]

log = logging.getLogger("llm_gateway.server")

_PER_TURN = 64
"""Connections taken in one turn: enough to keep up, few enough to let requests have theirs."""

_PER_TURN_SHARED = 4
"""The same where other workers listen too: what one leaves, another takes."""


class _Listener(Protocol):
    def fileno(self) -> int: ...


class Accepting:
    """Helps the servers of `listeners`, whose own accepting goes on beside it, until `close`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: Sequence[_Listener],
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        shared: bool,
    ) -> None:
        self._loop = loop
        self._make_protocol = make_protocol
        self._per_turn = _PER_TURN_SHARED if shared else _PER_TURN
        self._opening: dict[asyncio.Task[Any], socket.socket] = {}
        # An event loop knows one reader per descriptor, and the server has this one already.
        self._sockets = [socket.socket(fileno=os.dup(listener.fileno())) for listener in listeners]
        for listening in self._sockets:
            listening.setblocking(False)
            loop.add_reader(listening.fileno(), self._take, listening)

    def close(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            listening.close()
        self._sockets.clear()

    def _take(self, listening: socket.socket) -> None:
        for _ in range(self._per_turn):
            try:
                connection, _ = listening.accept()
            except OSError:
                return  # none waits, or there are no descriptors left, which the server itself deals with
            connection.setblocking(False)
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._make_protocol, connection))
            self._opening[task] = connection
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[Any]) -> None:
        connection = self._opening.pop(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            connection.close()  # it has gone again, or the loop ends
        if error is not None and not isinstance(error, OSError):
            log.error("a connection could not be served", exc_info=error)
