"""A reply of the native engine: status and headers, and a body that is taken while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from llm_gateway_sdk.errors import ModelConnectionError, ModelError, ModelProtocolError, ModelTimeout
from llm_gateway_sdk.http import UNASKED_BYTES, Room
from llm_gateway_sdk.reading import whole_of_pieces

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

    def take_pieces(self) -> list[bytes]:
        """The same without joining it."""
        ...

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

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        is_whole = self.body is None and self.error is None and self.decoder is None
        if is_whole and (limit is None or len(self.rest) <= limit):
            data, self.rest = self.rest, b""
            return data
        pieces: list[bytes] = []
        length = asked = 0
        # The parts of a whole body are not looked at: wait until much of it is there.
        self.patience = UNASKED_BYTES if limit is None else min(limit, UNASKED_BYTES)
        try:
            while came := await self._receive_pieces():
                length += sum(map(len, came))
                if limit is not None and length > limit:
                    self.close()
                    raise ModelProtocolError(f"The reply is larger than the {limit} bytes that are accepted.")
                pieces += came
                if length > UNASKED_BYTES and room is not None:
                    await room(length - asked, self.deadline)
                    asked = length
        finally:
            self.patience = 0
        return pieces[0] if len(pieces) == 1 else await whole_of_pieces(pieces, length)

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
                return self._take_rest()
            if body.loop.time() >= self.deadline:
                body.break_off(ModelTimeout(self.reason))
                self.rest = b""
            elif body.chunks and body.size > self.patience:
                return body.take()
            else:
                await self._wait(body)

    async def _receive_pieces(self) -> list[bytes]:
        """What is there, as it came: to join it takes time, and is done once for all of a body."""
        decoder, body = self.decoder, self.body
        if decoder is not None:
            data = await self._receive_decoded(decoder)
            return [data] if data else []
        while body is not None:
            if body.loop.time() >= self.deadline:
                body.break_off(ModelTimeout(self.reason))
                self.rest = b""
            elif body.chunks and body.size > self.patience:
                return body.take_pieces()
            else:
                await self._wait(body)
            body = self.body
        data = self._take_rest()
        return [data] if data else []

    def _take_rest(self) -> bytes:
        if self.rest:
            data, self.rest = self.rest, b""
            return data
        if self.error is not None:
            raise self.error
        return b""

    async def _wait(self, body: Body) -> None:
        """Until more has come than the reader's patience asks for, or the body has ended."""
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


_NO_HEADERS: list[tuple[str, str]] = []
