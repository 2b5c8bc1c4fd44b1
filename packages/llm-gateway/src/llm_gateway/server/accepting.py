"""Takes connections off listening sockets, those that wait together together.

libuv, below uvloop, takes one connection in each turn of its loop. A turn under load is long, so that of a thousand
clients that come at once the last ones would wait for seconds while those before them are served again and again.

A process that has no descriptors left can take none. The log reports it, and accepting pauses: the sockets stay
readable, and asking them again at once would only burn time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Acceptor"]

log = logging.getLogger("llm_gateway.server")

_PER_TURN = 64
"""Connections taken in one turn: enough to keep up, few enough to let requests have theirs."""
_PER_TURN_SHARED = 4
"""The same where other workers listen too: what one leaves, another takes."""
_AT_THE_END = 4096
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_SECONDS = 0.5
_LOG_SECONDS = 10.0


class Acceptor:
    """From `start` until `close`, which closes the sockets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: Sequence[socket.socket],
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        shared: bool,
    ) -> None:
        self._loop = loop
        self._sockets = list(sockets)
        self._make_protocol = make_protocol
        self._per_turn = _PER_TURN_SHARED if shared else _PER_TURN
        self._opening: dict[asyncio.Task[Any], socket.socket] = {}
        self._paused: asyncio.TimerHandle | None = None
        self._logged = float("-inf")
        self._closed = False
        for listening in self._sockets:
            listening.setblocking(False)

    def start(self) -> None:
        for listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._take, listening)

    async def close(self) -> None:
        """Takes what is waiting already, which would be reset otherwise, and ends listening."""
        if self._closed:
            return
        self._closed = True
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            self._take(listening, _AT_THE_END)
            listening.close()
        self._sockets.clear()
        if self._opening:
            await asyncio.wait(list(self._opening))

    def _take(self, listening: socket.socket, most: int = 0) -> None:
        for _ in range(most or self._per_turn):
            try:
                connection, _ = listening.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                return  # none waits
            connection.setblocking(False)
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._make_protocol, connection))
            self._opening[task] = connection
            task.add_done_callback(self._opened)

    def _pause(self, error: OSError) -> None:
        now = self._loop.time()
        if now - self._logged >= _LOG_SECONDS:
            self._logged = now
            log.error(
                "no connection can be accepted: %s. Raise the limit of open files (ulimit -n), or lower "
                "server.limits.maxConcurrent.",
                error.strerror,
            )
        if self._closed or self._paused is not None:
            return
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
        self._paused = self._loop.call_later(_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._paused = None
        self.start()

    def _opened(self, task: asyncio.Task[Any]) -> None:
        connection = self._opening.pop(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            connection.close()  # it has gone again, or the loop ends
        if error is not None and not isinstance(error, OSError):
            log.error("a connection could not be served", exc_info=error)
