"""One HTTP/1.1 connection: requests are answered in their order, and what is refused is refused in its turn.

What a connection may not do: have a head or a body arrive without end or without pace, keep a reply waiting by not
reading it, or get bytes into the middle of a reply by sending nonsense after a request.

The requests of a connection are a queue of cycles. The first is being answered (or still read, where there is only
one), the last may be still read, those between wait.

    parser ── Head ──▶ append a cycle ── bytes ──▶ its body ── End ──▶ whole: answered when it is first
              Bad ──▶ the cycle being read is answered with an error, nothing after it is read, the connection closes

A request may ask to go on in another protocol (WebSocket). Where the application takes that offer the head is the last
that is read here: the connection is deaf to HTTP from then on, and hands on what comes as it comes (`Duplex`).

A client that closes its side of the connection has left, or will only send no more: see half_close.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable

from llm_gateway_sdk import GatewayError, Overloaded, PayloadTooLarge

from ..client_address import peer_of
from .channel import Channel
from .cycle import STATUS_LINES, Cycle
from .door import Door
from .half_close import HalfClosed
from .head import Head
from .idle import IdleTimer
from .pace import Pace
from .parser import END, Bad, RequestParser
from .portions import HEADS, portion_of_body, take_in_portions
from .upload import Upload

__all__ = ["HTTPConnection"]

log = logging.getLogger("llm_gateway.server")

_IDLE_GRACE_SECONDS = 0.5
"""At shutdown, how long an idle connection still takes the request that may be on its way."""
_PIPELINED = 8
"""Requests that may wait while another is answered before reading pauses."""
_PIPELINED_BYTES = 1 << 20


class HTTPConnection(Channel):
    """Reads requests, has the application answer them, keeps time."""

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        most = door.limits.head_bytes
        self._parser = RequestParser(max_head_bytes=most, takes_offer=self._takes_offer, heads=door.heads)
        self.cycles: deque[Cycle] = deque()
        """Requests that have come, whole or in part, and whose replies are not written yet."""
        self._incoming: Cycle | None = None
        """The request whose body is being read."""
        self._pace = Pace(door)
        self._greeting: asyncio.Task[None] | None = None
        self._greeted: Cycle | None = None
        """The request whose head was looked at before its body came."""
        self._idle = IdleTimer(door, self)
        self._half_closed: HalfClosed | None = None
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and peer:
            self.client_ip = peer_of(str(peer[0]))
        self._idle.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pace.end()
        self._parser.close()
        self._idle.end()
        if self._half_closed is not None:
            self._half_closed.end()
            self._half_closed = None
        cycles, self.cycles = self.cycles, deque()
        self._incoming = self._greeted = None
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None
        for cycle in cycles:
            if not cycle.response_complete:
                cycle.leave()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends: what was begun is finished, and then the connection closes."""
        if self._duplex is not None:
            self._duplex.go_away()
        if self.cycles:
            self.cycles[-1].keep_alive = False
        elif not self._pace.reading:
            # A client may have sent its next request already.
            self.loop.call_later(_IDLE_GRACE_SECONDS, self.close_if_idle)

    def close_if_idle(self) -> None:
        if not self.cycles and not self._pace.reading and not self.transport.is_closing():
            self.close()

    # Reading.

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            if self._duplex is not None:
                self._duplex.feed(data)
            return
        if not self.cycles and self._take_whole(data):
            return
        if len(data) > HEADS and self._portion() < len(data):
            self._unread = take_in_portions(data, self._portion, self.data_received)
            if self._incoming is not None:
                self.yield_turn_after(len(data))
            return
        for event in self._parser.feed(data):
            if type(event) is bytes:
                self._take_body(event)
            elif event is END:
                self._end_request()
            elif type(event) is Head:
                self._begin_request(event)
            elif type(event) is Bad:
                self._refuse(GatewayError(event.message, status=event.status, kind="bad_request", code=event.code))
            if self._deaf:
                return
        incoming = self._incoming
        if incoming is not None:
            self._pace.body(incoming.body_bytes, self._refuse_slow)
            if self._greeted is not incoming and self.cycles[0] is incoming:
                self._greet(incoming)
            self.yield_turn_after(len(data))
        elif not self._parser.is_between_requests:
            self._pace.head(self._refuse_slow)

    def _take_whole(self, data: bytes) -> bool:
        """Whether that is one whole request with a head that needs no work before its body has come; it is answered."""
        whole = self._parser.read_whole(data)
        if whole is None or whole[0].facts.get("upload") is not False:
            return False
        head, body = whole
        cycle = Cycle(self, head, self.client_ip, keep_alive=not self.door.draining, body=body)
        self.cycles.append(cycle)
        refusal = self.door.application.refuses_early(cycle)
        if refusal is not None:
            self._incoming = cycle
            self._refuse(refusal)
        else:
            cycle.whole = True
            self._run(cycle)
        return True

    def _begin_request(self, head: Head) -> None:
        if self._pace.reading:
            self._pace.end()
        cycle = Cycle(self, head, self.client_ip, keep_alive=head.keep_alive and not self.door.draining)
        self.cycles.append(cycle)
        if head.upgrades:
            cycle.whole = True
            cycle.duplex = self.leave_http(self._parser.rest)
            self._run(cycle)
            return
        self._incoming = cycle
        if len(self.cycles) == 1:
            refusal = self.door.application.refuses_early(cycle)
            if refusal is not None:
                self._refuse(refusal)
        else:
            self._pause_if_full()
        maybe = head.length != 0 and ("upload" not in head.facts or head.facts["upload"])
        if maybe and self.door.application.takes_upload(cycle):
            cycle.upload = Upload(head.length, self, self._pace)

    def _takes_offer(self, head: Head) -> bool:
        """Not while another request is answered, whose reply would go between."""
        return not self.cycles and self.door.application.takes_duplex(
            Cycle(self, head, self.client_ip, keep_alive=False)
        )

    def _greet(self, cycle: Cycle) -> None:
        """Before a body is waited for: who is asking may be known already, and the client may wait for a word."""
        self._greeted = cycle
        work = self.door.application.authenticates_early(cycle)
        if work is None:
            self._welcome(cycle)
        else:
            task = self._greeting = self.loop.create_task(self._let_in(cycle, work))
            self.door.tasks.add(task)
            task.add_done_callback(self.door.tasks.discard)

    async def _let_in(self, cycle: Cycle, work: Awaitable[GatewayError | None]) -> None:
        refusal = await work
        if self._incoming is not cycle or self._deaf:
            return  # it is whole, or has gone; the walk authenticates as ever
        if refusal is None:
            self._welcome(cycle)
        else:
            self._refuse(refusal)

    def _welcome(self, cycle: Cycle) -> None:
        if cycle.head.expects_continue and not cycle.body_bytes:
            self.send(STATUS_LINES[100] + b"\r\n")
        if cycle.upload is not None:
            self._run(cycle)

    def _take_body(self, piece: bytes) -> None:
        cycle = self._incoming
        if cycle is None or cycle.refusal is not None or cycle.response_complete:
            return
        most = cycle.head.facts.get("most", self.door.limits.body_bytes)
        if cycle.upload is None:
            cycle.add_body(piece)
        else:
            most = self.door.limits.upload_bytes
            cycle.body_bytes += len(piece)
            cycle.upload.feed(piece)
        if cycle.body_bytes > most:
            self._refuse(PayloadTooLarge(f"The body is larger than {most} bytes."))
        elif cycle.share is not None and self.door.uploads.is_full(cycle.share):
            self._refuse(Overloaded("The gateway's memory for request bodies is full.", retry_after=1.0))
        elif len(self.cycles) > 1:
            self._pause_if_full()

    def _end_request(self) -> None:
        cycle, self._incoming = self._incoming, None
        if cycle is None:
            return
        cycle.whole = True
        if cycle.upload is not None:
            cycle.upload.end()
        if self._pace.reading:
            self._pace.end()
        if self.cycles[0] is cycle:
            self._run(cycle)

    def eof_received(self) -> bool:
        """True keeps the side open on which replies are written."""
        cycles = self.cycles
        if self._duplex is not None:
            return False
        if not cycles or self.transport.is_closing() or not (cycles[-1].whole or cycles[-1].refusal):
            return False
        self._deaf = True
        cycles[-1].keep_alive = False
        self._half_closed = HalfClosed(self)
        return True

    def probe(self) -> None:
        """Sends what makes a client that has left reset the connection."""
        if self.cycles and (data := self.cycles[0].probe):
            self.door.writes.flush()
            self.write_out(data)

    def address(self) -> str | None:
        return self.door.application.client_address(self.cycles[0]) if self.cycles else self.client_ip

    # Requests in their turn.

    def _pause_if_full(self) -> None:
        """Reading goes on while a request is answered, so that its client's leaving is noticed; it pauses where more
        is sent than may wait."""
        cycles = self.cycles
        if self.read_paused:
            return
        full = len(cycles) > _PIPELINED
        if full or sum(cycle.body_bytes for cycle in cycles) - cycles[0].body_bytes > _PIPELINED_BYTES:
            self._pace.hold()
            self.pause_reading()

    def _read_on(self) -> None:
        if self.read_paused and not self.transport.is_closing():
            self._pace.go_on()
            self.resume_reading()
            self._unread = take_in_portions(self._unread, self._portion, self.data_received)

    def _portion(self) -> int:
        """How much of what has come is taken at once; nothing while as many requests wait as may."""
        if len(self.cycles) > _PIPELINED:
            return 0
        incoming = self._incoming
        return HEADS if incoming is None else portion_of_body(incoming.head.length, incoming.body_bytes)

    def _run(self, cycle: Cycle) -> None:
        if cycle.task is not None:
            return
        cycle.task = self.loop.create_task(_answer(self, cycle))

    def on_response_complete(self, cycle: Cycle) -> None:
        cycles = self.cycles
        if not cycles or cycles[0] is not cycle:
            return
        cycles.popleft()
        if not cycle.whole:
            self._incoming = None
            self._pace.end()
            self.close_gently()
            return
        if not cycle.keep_alive:
            self.close()
            return
        if self.read_paused and len(cycles) <= _PIPELINED:
            self.loop.call_soon(self._read_on)
        if not cycles:
            self._idle.begin()
            return
        following = cycles[0]
        if following.whole or following.refusal is not None:
            self._run(following)
            return
        refusal = self.door.application.refuses_early(following)
        if refusal is not None:
            self._refuse(refusal)
        elif self._greeted is not following:
            self._greet(following)

    # Refusals.

    def _refuse_slow(self) -> None:
        if not self._deaf and not self.transport.is_closing():
            message = "The request was not received in time."
            self._refuse(GatewayError(message, status=408, kind="timeout", code="slow_request"))

    def _refuse(self, error: GatewayError) -> None:
        """The request being read is answered with `error`, and nothing after it is read."""
        if self._deaf:
            return
        self._deaf = True
        self._pace.end()
        cycle = self._incoming
        if cycle is not None and not cycle.response_complete:
            cycle.refusal = error  # in its client's form, for its route is known
            cycle.keep_alive = False
            cycle.take_body()
            if cycle.upload is not None:
                cycle.upload.fail(error)
            if self.cycles[0] is cycle:
                self._run(cycle)
        elif self.cycles:
            # It comes after a request that is still being answered; that answer is the last one.
            self.cycles[-1].keep_alive = False
        else:
            _refuse_head(self, error)


async def _answer(channel: Channel, cycle: Cycle) -> None:
    # Entered and left here, not by a callback of the task, which would be another piece of work for the loop per
    # request. A task that is cancelled before it begins is never entered.
    tasks, task = channel.door.tasks, cycle.task
    assert task is not None
    tasks.add(task)
    try:
        await channel.door.application.handle(cycle)
    except asyncio.CancelledError:
        if not cycle.disconnected:
            channel.abort()  # the server ends now
            raise
    except BaseException:  # whatever it is, it ends this request and not the process
        log.exception("a request failed at the server's edge")
        channel.abort()
    else:
        if not cycle.response_complete and not cycle.disconnected:
            channel.abort()  # never leave a client waiting for the rest
    finally:
        tasks.discard(task)


def _refuse_head(channel: Channel, error: GatewayError) -> None:
    """An answer to what never became a request: no route is known, so no client's form either."""
    channel.door.writes.flush()
    channel.transport.write(_plain_refusal(error))
    channel.close_gently()


def _plain_refusal(error: GatewayError) -> bytes:
    code = f'"{error.code}"' if error.code else "null"
    body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":%b}}' % (
        error.message.encode(), code.encode(),
    )  # fmt: skip
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        STATUS_LINES[error.status], len(body), body,
    )  # fmt: skip
