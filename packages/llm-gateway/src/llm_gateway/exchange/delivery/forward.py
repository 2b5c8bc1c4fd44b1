"""A stream whose provider speaks the client's dialect and which no plugin looks at: its events go through as they came.

Nearly all of it goes on right where it comes in, from the connection's own callback, while the exchange sleeps: `take`.
The exchange is woken for what is not plain: the beginning, events that need a look, a client that does not keep up, and
the end. The state machine is `StreamForwarder`; here is its driver.
"""

from __future__ import annotations

import asyncio

from llm_gateway_sdk import (
    DialectError,
    Headers,
    HTTPReply,
    ModelError,
    ModelProtocolError,
    ModelStreamError,
    Payload,
    Verdict,
    WireReply,
)
from llm_gateway_sdk.chunk_loop import reported_error
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.metering import record
from llm_gateway_sdk.wire.pieces import joined

from ..attempt import LiveAttempt
from ..client import ClientReply
from ..errors import scrub, scrub_info
from ..kept_reply import KeptReply
from ..long_replies import LONG_REPLY
from ..outlet import Outlet
from ..pacing import HEAVY_BYTES, PIECE_BYTES, pieces, too_large
from ..request import ClientRequest, EventRoom
from ..upstream import UpstreamCall, secrets_of
from .chunks import rest_of
from .forwarder import StreamForwarder

__all__ = ["forward"]


async def forward(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, reply: HTTPReply, call: UpstreamCall
) -> Verdict | None:
    """Until the stream has ended. Raises ModelError where it did not end as it should."""
    driver = _Driver(request, client, attempt, reply, call)
    try:
        await driver.run()
    finally:
        if driver.is_long:
            await run_aside(driver.settle)
        else:
            driver.settle()
    client.status = 200
    await driver.outlet.end()
    return None


class _Driver:
    """One per stream."""

    __slots__ = (
        "_attempt", "_call", "_client", "_committed", "_forwarder", "_idle", "_left", "_reply", "_request", "_retains",
        "_room", "_total", "outlet",
    )  # fmt: skip

    def __init__(
        self, request: ClientRequest, client: ClientReply, attempt: LiveAttempt, reply: HTTPReply, call: UpstreamCall
    ) -> None:
        self._request = request
        self._client = client
        self._attempt = attempt
        self._reply = reply
        self._call = call
        self.outlet: Outlet = client.open_outlet()
        self._forwarder = StreamForwarder(
            call.dialect, max_event_bytes=request.services.max_event_bytes, withhold_usage=call.usage_asked
        )
        self._retains = request.retains
        self._idle, self._total = attempt.idle, attempt.expires
        self._committed = False
        self._room: EventRoom | None = None
        self._left: tuple[bytes, bool, int] | None = None
        """A block that `take` could not send on, whether it is released, and how much of the next piece is in it."""

    async def run(self) -> None:
        forwarder, mint = self._forwarder, self._request.services.mint
        end: bytes | None = None
        try:
            await self._pump()
        except DialectError as error:
            raise ModelProtocolError(str(error)) from None
        except ModelError:
            end = forwarder.close(mint, broken=True)
            if not forwarder.finished:
                raise
            # The reply is whole; how its connection ended does not matter.
        await self._send(forwarder.close(mint) if end is None else end)
        if forwarder.error is not None:
            raise self._error_event(b"")
        if not forwarder.finished:
            raise ModelStreamError("The provider's stream ended early.")

    async def _pump(self) -> None:
        reply, forwarder, loop = self._reply, self._forwarder, self._request.loop
        limit, size = self._request.services.max_reply_bytes, 0
        while data := await reply.receive_past(self._take):
            length = len(data)
            size += length
            if size > limit:
                raise too_large(limit)
            if self._left is not None:
                block, released, gathered = self._left
                self._left = None
                out = (block if released else forwarder.release(block)) + forwarder.feed(data[gathered:])
            elif forwarder.open_bytes > HEAVY_BYTES:
                out = await run_aside(forwarder.feed, data)  # it may complete the event
            elif length <= PIECE_BYTES:
                out = forwarder.feed(data)
            else:
                out = await self._feed_in_turns(data)
            if forwarder.open_bytes > LONG_REPLY:
                self._room = self._room or EventRoom(self._request, self._total)
                await self._room.make_for(forwarder.open_bytes)
            await self._send(out)
            if self._room is not None and forwarder.open_bytes <= LONG_REPLY:
                self._room.give_back()
                self._room = None
            if forwarder.error is not None:
                raise self._error_event(await rest_of(self._request, reply))
            if self._committed:
                self._expire(loop.time())

    def _take(self, data: bytes) -> bool:
        """From the connection's callback: whether the piece has gone to the client."""
        if not self._committed:
            return False
        forwarder = self._forwarder
        if forwarder.open_bytes > HEAVY_BYTES:
            return False  # what it may complete is not for a callback
        if data[-2:] == b"\n\n" and not forwarder.pieces and forwarder.error is None:
            block = data
        else:
            try:
                block = forwarder.gather(data)
            except DialectError:
                return False  # which is raised again for the exchange
        now = self._request.loop.time()
        if block:
            released = forwarder.release_plain(block)
            if not released or not self.outlet.write_now(block, now):
                self._left = (block, released, len(data))
                return False
            if self._retains:
                self._attempt.retain(block)
            self._attempt.sent_bytes += len(block)
        due = now + self._idle
        if due < self._total:
            self._reply.expire_at(due, "idle")
        else:
            self._reply.expire_at(self._total, "total")
        return True

    def _expire(self, now: float) -> None:
        due = now + self._idle
        if due < self._total:
            self._reply.expire_at(due, "idle")
        else:
            self._reply.expire_at(self._total, "total")

    async def _feed_in_turns(self, data: bytes) -> bytes:
        out: list[bytes] = []
        for piece in pieces(data):
            out.append(self._forwarder.feed(piece))
            await asyncio.sleep(0)
        return b"".join(out)

    async def _send(self, out: bytes) -> None:
        if not out:
            return
        attempt = self._attempt
        if self._retains:
            attempt.retain(out)
        attempt.sent_bytes += len(out)
        if not self._committed:
            self._committed = True
            attempt.begins_with = self._forwarder.head or out
            self._client.commit(attempt)
            out = self._client.renamed(out, attempt)
        await self.outlet.write(out)

    def _error_event(self, rest: bytes) -> ModelError:
        """The error that the stream reports. Where it is the reply in the end, it goes out in the provider's words."""
        forwarder, attempt = self._forwarder, self._attempt
        assert forwarder.error is not None
        http = attempt.target.http
        secrets = () if http is None else secrets_of(self._request, http)
        scrub_info(forwarder.error, secrets)
        error = reported_error(forwarder.error, ModelStreamError)
        error.body = scrub((forwarder.error_event or b"") + rest, secrets) or None
        error.dialect = self._call.dialect.name
        error.headers = attempt.headers
        return error

    @property
    def is_long(self) -> bool:
        """Whether what is looked at in the end is."""
        return self._forwarder.tail_bytes + self._attempt.retained_bytes > HEAVY_BYTES

    def settle(self) -> None:
        """What is known of the reply now that it has ended, however it ended."""
        request, attempt, forwarder, dialect = self._request, self._attempt, self._forwarder, self._call.dialect
        attempt.ends_with = forwarder.tail
        if request.wants_usage:
            attempt.reported = dialect.usage_of(forwarder.head, forwarder.tail)
            if forwarder.finished:
                record(attempt.entry, attempt.reported)
                attempt.settled = True
        if attempt.retained:
            kept = KeptReply(dialect, attempt.retained, request.services.mint)
            request.ctx.upstream_response = WireReply(200, Headers.of(attempt.headers), joined(attempt.retained))
            request.ctx.response_payload = Payload(kept.decode)
            attempt.kept = kept
            if attempt.truncated:
                request.ctx.reply_truncated = True
