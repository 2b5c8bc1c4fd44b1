"""The ASGI side of one reply, and the watch for clients that leave.

A plain ASGI endpoint that awaits its upstream is not told that its client has gone; it must ask. Asking is `receive()`,
which would need a task per request; the watch steps that coroutine by hand instead, from the future that it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

__all__ = ["ASGISink", "DisconnectWatch"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class ASGISink:
    """Writes a reply through ASGI `send`. `extra` headers go out with the others (CORS)."""

    __slots__ = ("_send", "ended", "extra", "started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.extra: Headers | None = None
        self.started = False
        self.ended = False

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        if self.extra:
            headers = [*headers, *self.extra]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool) -> None:
        if not more:
            self.ended = True
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def write_now(self, data: bytes) -> bool:
        return False  # ASGI's `send` may always have to wait

    async def abort(self) -> None:
        """The server closes a connection whose reply was begun and not ended."""
        self.ended = True


class DisconnectWatch:
    """Calls `gone` once when the client leaves; `close` ends the watch."""

    __slots__ = ("_coroutine", "_future", "_gone", "_receive", "_task", "fired")

    def __init__(self, receive: Receive, gone: Callable[[], object]) -> None:
        self._receive = receive
        self._gone = gone
        self._future: asyncio.Future[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self.fired = False
        self._coroutine: Coroutine[Any, Any, Message] | None = None
        self._ask()

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            return
        if self._future is not None:
            self._future.remove_done_callback(self._wake)
            self._future = None
        if self._coroutine is not None:
            self._coroutine.close()
            self._coroutine = None

    def _ask(self) -> None:
        coroutine = self._receive()
        if not isinstance(coroutine, Coroutine):
            self._task = asyncio.ensure_future(self._wait(coroutine))
            return
        self._coroutine = coroutine
        self._step()

    def _wake(self, _: asyncio.Future[Any]) -> None:
        self._future = None
        self._step()

    def _step(self) -> None:
        coroutine = self._coroutine
        while coroutine is not None:
            try:
                waiting = coroutine.send(None)
            except StopIteration as stop:
                if stop.value["type"] == "http.disconnect":
                    self._coroutine = None
                    self._fire()
                    return
                # More of a body that nobody wants any more.
                coroutine = self._coroutine = self._receive()  # type: ignore[assignment]
                continue
            except asyncio.CancelledError:
                self._coroutine = None
                return
            if waiting is None:
                asyncio.get_running_loop().call_soon(self._step)
                return
            if not asyncio.isfuture(waiting):
                raise TypeError("the ASGI server's receive() waits for something that is no asyncio future")
            waiting._asyncio_future_blocking = False
            self._future = waiting
            waiting.add_done_callback(self._wake)
            return

    async def _wait(self, first: Awaitable[Message]) -> None:
        message = await first
        while message["type"] != "http.disconnect":
            message = await self._receive()
        self._fire()

    def _fire(self) -> None:
        self.fired = True
        self._gone()
