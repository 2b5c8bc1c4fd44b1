"""One connection to an upstream: bytes written, replies read by llhttp, one request at a time.

Everything happens in the callbacks of the event loop. There is no task, no lock and no queue here; a reader is woken by
one future per wait. Bytes of the body go from the parser into a list without passing through Python code.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from math import inf
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from llm_gateway_sdk.errors import ModelConnectionError, ModelError, ModelProtocolError, ModelTimeout

from ...wire.batched_writes import Writes
from ...wire.header_names import HeaderNames
from ...wire.timers import CLOCK_STEP
from .decoding import decode_headers, find_decoder
from .pumping import Pumping
from .reply import Reply
from .settings import TransportSettings

__all__ = ["Connection", "Owner"]


class Owner(Protocol):
    """The pool that a connection belongs to."""

    writes: Writes

    def release(self, connection: Connection) -> None:
        """The connection is free for the next request."""
        ...

    def discard(self, connection: Connection) -> None:
        """The connection is of no further use. May be called again."""
        ...

    def forget(self, connection: Connection) -> None:
        """Its transport is closed."""
        ...


class _Surplus(Exception):
    """Bytes after the end of a reply. Leaves the parser, which wraps it."""


class Connection(Pumping):
    __slots__ = (
        "_bodyless",
        "_complete",
        "_encoding",
        "_ended",
        "_feed",
        "_framed",
        "_head_size",
        "_headers",
        "_interim",
        "_keep",
        "_owner",
        "_parser",
        "_paused",
        "_reply",
        "_settings",
        "_timer",
        "_unsent",
        "chunks",
        "idle_since",
        "lost",
        "on_body",
        "owned",
        "size",
        "timer_at",
        "used",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop, settings: TransportSettings) -> None:
        super().__init__()
        self.loop = loop
        self.owned = False
        """Has a slot of its pool, which keeps this up to date."""
        self.lost = False
        self.idle_since = 0.0
        self.used = 0
        """Requests that were sent on it."""
        self.chunks: list[bytes] = []
        self.size = 0
        self.timer_at: float = inf
        self.on_body = self.chunks.append
        self._owner = owner
        self._settings = settings
        self._transport: asyncio.Transport = _NO_TRANSPORT
        self._reply: Reply | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._bodyless = False
        self._unsent = False
        """A request waits for the end of the event loop's turn."""
        self._prepare_for_reply()
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data

    # The pool's and the engine's side

    @property
    def usable(self) -> bool:
        return not self.lost and not self._transport.is_closing()

    def start(self, reply: Reply, head: bytes, body: bytes, *, bodyless: bool) -> None:
        """Sends a request whose reply goes into `reply`. The connection must be free."""
        self.used += 1
        self._prepare_for_reply()
        self._bodyless = bodyless
        self._reply = reply
        reply.body = self
        if reply.deadline < self.timer_at:
            self.arm(reply.deadline)
        if len(body) > _JOIN_BELOW:
            self._transport.writelines((head, body))
        else:
            self._unsent = True
            self._owner.writes.add(self, head + body)

    def write_out(self, data: bytes) -> None:
        self._unsent = False
        if not self._transport.is_closing():
            self._transport.write(data)

    def abort(self) -> None:
        """Closes at once, without waiting for unsent bytes or for a TLS farewell."""
        self._owner.discard(self)
        self._transport.abort()

    def _prepare_for_reply(self) -> None:
        self.size = 0
        self._headers: list[tuple[str, str]] = []
        self._head_size = 0
        self._interim = False
        self._complete = False
        self._ended = False
        self._keep = False
        self._framed = True
        """The reply reports how long its body is. If not, the end of the connection is the end of the body."""
        self._encoding = ""

    # The reply's side

    def take(self) -> bytes:
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.size = 0
        if self._paused:
            self.resume()
        return data

    def take_pieces(self) -> list[bytes]:
        pieces = self.chunks[:]
        self.chunks.clear()
        self.size = 0
        if self._paused:
            self.resume()
        return pieces

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def break_off(self, error: ModelError) -> None:
        self._end_reply(error)
        self.abort()

    def arm(self, when: float) -> None:
        """The timer outlives the request: mostly the next one's limit lies later, and nothing has to be done for it."""
        if self._timer is not None:
            self._timer.cancel()
        self.timer_at = when
        self._timer = self.loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.timer_at = inf
        reply = self._reply
        if reply is None:
            return
        if self.loop.time() + CLOCK_STEP < reply.deadline:
            self.arm(reply.deadline)
        elif reply.waiter is not None:
            self.break_off(ModelTimeout(reply.reason))

    def _end_reply(self, error: ModelError | None) -> None:
        """Parts from the reply, leaving it what has arrived."""
        reply = self._reply
        if reply is None:
            return
        self._reply = None
        reply.body = None
        if self.chunks:
            reply.rest = b"".join(self.chunks)
            self.chunks.clear()
        reply.error = error
        reply.wake()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            self.abort()  # unasked: perhaps a farewell such as 408, in any case nothing to take for a reply
            return
        if not reply.status:
            self._head_size += len(data)
        try:
            self._feed(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._complete:
                self._refuse(error)
                return
            self._ended = False
        if self._complete:
            self._finish()
        elif reply.status:
            self._hand_over(reply, len(data))
            if len(data) >= _FULL_READ and not self._paused and self._reply is not None:
                self._transport.pause_reading()
                self.loop.call_soon(self._take_turn)
        elif self._head_size > self._settings.max_head:
            self.break_off(_head_too_large())

    def _take_turn(self) -> None:
        """Others have had their turn of the event loop, which would else read up to 8 MB from one connection."""
        if not self._paused and not self.lost and not self._transport.is_closing():
            self._transport.resume_reading()

    def _hand_over(self, reply: Reply, length: int) -> None:
        self.size += length
        if not self.chunks:
            if self.size > self._settings.max_head:
                self.break_off(ModelProtocolError("The reply's trailers or chunk extensions are too large."))
        elif reply.waiter is not None:
            if (reply.take is None or not self._is_taken(reply.take)) and self.size > reply.patience:
                reply.wake()
        elif self.size > self._settings.high_water and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _is_taken(self, take: Callable[[bytes], bool]) -> bool:
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if not take(data):
            return False
        chunks.clear()
        self.size = 0
        return True

    def _finish(self) -> None:
        if self._bodyless:
            self.chunks.clear()
        self._end_reply(None)
        transport = self._transport
        is_sent = not self._unsent and not self.pumping and not transport.get_write_buffer_size()
        if self._keep and self._ended and is_sent and not transport.is_closing():
            self._owner.release(self)
        else:
            self.abort()

    def _refuse(self, error: Exception) -> None:
        cause = error.__context__ if isinstance(error.__context__, ModelError) else None
        self.break_off(cause or ModelProtocolError(f"The reply is not valid HTTP ({_describe(error)})."))

    def eof_received(self) -> None:
        """Nothing to add: the transport closes itself and calls `connection_lost`."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._owner.discard(self)
        self._owner.forget(self)
        self.resume_writing()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        reply = self._reply
        if reply is not None:
            if reply.status and not self._framed and exc is None:
                self._end_reply(None)
            else:
                reply.stale = not self._head_size and self.used > 1
                self._end_reply(_broken_off(reply, exc))
        # The parser holds our methods: without this the pair would wait for the garbage collector.
        del self._parser, self._feed, self.on_body

    # httptools

    def on_message_begin(self) -> None:
        if self._complete:
            raise _Surplus

    def on_header(self, name: bytes, value: bytes) -> None:
        known = _NAMES[name]
        text = value.decode("latin-1").rstrip(" \t")
        if known is _CONTENT_ENCODING:
            self._encoding = text
        self._headers.append((known, text))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers = self._headers
        self._headers = []  # takes trailers, which are not read
        if status < 200:
            if status == 101:
                raise ModelProtocolError("The reply switches to another protocol, which the request did not ask for.")
            self._interim = True
            return
        if self._head_size > self._settings.max_head and _length(headers) > self._settings.max_head:
            raise _head_too_large()
        reply = cast(Reply, self._reply)
        self._keep = self._parser.should_keep_alive()
        self._framed = self._keep or _has_length(headers)
        if self._encoding and not self._bodyless:
            reply.decoder = find_decoder(self._encoding)
            headers = decode_headers(reply.decoder, status, headers)
        reply.headers = headers
        reply.status = status
        if self._bodyless:
            self._complete = True
        reply.wake()

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            return
        self._complete = True
        self._ended = True


def _has_length(headers: list[tuple[str, str]]) -> bool:
    return any(
        name == "content-length" or (name == "transfer-encoding" and value.lower().endswith("chunked"))
        for name, value in headers
    )


def _length(headers: list[tuple[str, str]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _head_too_large() -> ModelProtocolError:
    return ModelProtocolError("The reply's status line and headers are too large.")


def _broken_off(reply: Reply, cause: Exception | None) -> ModelConnectionError:
    what = "before its reply ended" if reply.status else "before it replied"
    error = ModelConnectionError(f"The model's provider closed the connection {what}.")
    error.__cause__ = cause
    return error


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, HttpParserError) else "upgrade"


_CONTENT_ENCODING = sys.intern("content-encoding")
_NAMES = HeaderNames()
_JOIN_BELOW = 16 * 1024
"""Bodies up to here are copied after the head, which is cheaper than two buffers; both ways are one write."""
_FULL_READ = 128 * 1024
"""Reading at least as much at once means that there is probably more."""
_NO_TRANSPORT = asyncio.Transport()
