"""A reply of the native engine: status and headers, and a body that is taken while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, Protocol

from llm_gateway_sdk.errors import ModelConnectionError, ModelError, ModelProtocolError, ModelTimeout
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.wire.pieces import joined

from .decoding import ContentDecoder, Undecodable, receive_decoded

__all__ = ["Body", "Reply"]


class Body(Protocol):
    """The connection on which a body is still arriving, as its reply sees it."""

    loop: asyncio.AbstractEventLoop
    chunks: list[bytes]
    size: int
    """Bytes that arrived since the last `take`."""
    timer_at: float
    """When the connection's timer fires; infinite if it is not armed."""

    def take(self) -> bytes: ...

    def resume(self) -> None:
        """Reading may have been paused while no reader waited."""
        ...

    def arm(self, when: float) -> None: ...

    def break_off(self, error: ModelError) -> None: ...


class Reply:
    """See HTTPReply. Made by the engine; a reply and its connection know each other only until the body has come."""

    __slots__ = (
        "body",
        "deadline",
        "decoder",
        "error",
        "headers",
        "patience",
        "reason",
        "resent",
        "rest",
        "stale",
        "status",
        "take",
        "waiter",
    )

    def __init__(self, deadline: float, reason: str) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = _NO_HEADERS
        self.resent = False
        """The first connection, a reused one, closed before any byte of a reply; the request was sent a second time."""
        self.body: Body | None = None
        """None before the request is sent and after the last byte, or the failure, came."""
        self.rest = b""
        """What was not yet taken when the body ended."""
        self.error: ModelError | None = None
        self.stale = False
        self.waiter: asyncio.Future[None] | None = None
        self.patience: float = 0
        """A waiting reader is woken when more than so many bytes are there: 0 for the next bytes."""
        self.deadline = deadline
        self.reason = reason
        self.decoder: ContentDecoder | None = None
        self.take: Callable[[bytes], bool] | None = None
        """See `receive_past`; while a reader waits there."""

    async def wait_for_head(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until `status` is set, or `error`."""
        if self.body is None:
            return
        self.waiter = loop.create_future()
        try:
            await self.waiter
        except BaseException:
            self.close()
            raise

    def keep_coding(self) -> None:
        """Gives the body as it comes where its coding can't be undone; its headers name the coding."""
        if isinstance(self.decoder, Undecodable):
            self.decoder = None

    def receive(self) -> Coroutine[Any, Any, bytes]:
        return self._receive() if self.decoder is None else self._receive_decoded(self.decoder)

    async def receive_past(self, take: Callable[[bytes], bool]) -> bytes:
        """Like `receive`, for a reader who leaves what comes to `take` as long as that returns True: it is called with
        each piece from the connection's own callback, and the reader is not woken, which costs more than most pieces
        are worth. Returns the first piece that `take` leaves, or the end."""
        if self.decoder is not None:
            return await self.receive()
        self.take = take
        try:
            return await self._receive()
        finally:
            self.take = None

    async def read(self, limit: int | None = None) -> bytes:
        is_whole = self.body is None and self.error is None and self.decoder is None
        if is_whole and (limit is None or len(self.rest) <= limit):
            data, self.rest = self.rest, b""
            return data
        pieces: list[bytes] = []
        length = 0
        # The parts of a whole body are not looked at: wait until all of it, or much of it, is there.
        self.patience = inf if self.decoder is not None else _LONG if limit is None else min(limit, _LONG)
        try:
            while piece := await self.receive():
                length += len(piece)
                if limit is not None and length > limit:
                    self.close()
                    raise ModelProtocolError(f"The reply is larger than the {limit} bytes that are accepted.")
                pieces.append(piece)
        finally:
            self.patience = 0
        if len(pieces) == 1:
            return pieces[0]
        # Of many long replies that end at the same moment, each copy would hold up the event loop.
        return await run_aside(joined, pieces) if length > _LONG else b"".join(pieces)

    def expire_at(self, when: float, reason: str) -> None:
        """Only waiting is limited: what a slow reader finds already complete is still given out after `when`, and an
        unfinished body without a reader is aborted at the next `receive`."""
        self.deadline = when
        self.reason = reason
        body = self.body
        if body is not None and when < body.timer_at:
            body.arm(when)

    def close(self) -> None:
        body = self.body
        if body is not None:
            body.break_off(ModelConnectionError("The reply was closed early."))
        elif self.error is not None:
            # One that was raised holds the frames it went through, and one of them this reply: a circle.
            self.error = ModelConnectionError("The reply was closed early.")
        self.rest = b""

    def wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def _receive(self) -> bytes:
        while True:
            body = self.body
            if body is None:
                if self.rest:
                    data, self.rest = self.rest, b""
                    return data
                if self.error is not None:
                    raise self.error
                return b""
            if body.loop.time() >= self.deadline:
                body.break_off(ModelTimeout(self.reason))
                self.rest = b""
                continue
            if body.chunks and body.size > self.patience:
                return body.take()
            if self.waiter is not None:
                raise RuntimeError("the reply is already being received elsewhere")
            if self.patience:
                body.resume()
            self.waiter = body.loop.create_future()
            try:
                await self.waiter
            except BaseException:
                self.close()
                raise
            finally:
                self.waiter = None

    async def _receive_decoded(self, decoder: ContentDecoder) -> bytes:
        try:
            return await receive_decoded(decoder, self._receive)
        except ModelProtocolError:
            self.close()
            raise


_LONG = 1 << 20
"""Bytes that are joined in one step."""
_NO_HEADERS: list[tuple[str, str]] = []
