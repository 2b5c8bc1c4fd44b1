"""One side of a session: WebSocket messages over a byte stream. Frames are the `websockets` library's, which does no IO
here.

What is received is whole messages, of a bounded size. Pings are answered, and a close is, while somebody receives. One
task receives; any number may send.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, Protocol, State

from .message_pace import MessagePace

__all__ = ["GOING_AWAY", "INTERNAL", "NORMAL", "POLICY", "TOO_BIG", "Closing", "Message", "Peer"]

NORMAL, GOING_AWAY, POLICY, TOO_BIG, INTERNAL = 1000, 1001, 1008, 1009, 1011
_UNSENDABLE = frozenset({1004, 1005, 1006, 1015})
"""Codes that never go over the wire (RFC 6455, 7.4.1)."""
_PING_SECONDS = 0.5
_SLICE_BYTES = 8192
_FRAMES_IN_A_TURN = 64
"""The smallest frames are six bytes, and some 10 µs of work each: they are taken a few at a time, so that who sends
nothing else delays no others."""
_SMALL_BYTES = 1024
"""Pings, pongs and fragments up to this size are counted like messages."""
_LONGEST_REASON = 123
"""Bytes: a control frame holds 125, two of them for the code."""


@dataclass(slots=True)
class Message:
    data: bytes
    is_text: bool = True


@dataclass(slots=True, frozen=True)
class Closing:
    """How one side ended, or is to end. `code` 1006 is a connection that broke off."""

    code: int = NORMAL
    reason: str = ""

    def sendable(self) -> Closing:
        """The same for the other side, in a code that may be sent."""
        if self.code in _UNSENDABLE or not 1000 <= self.code < 5000:
            code = NORMAL if self.code == 1005 else INTERNAL
            return Closing(code, self.reason)
        return self


class Peer:
    """`read` gives the next bytes and `b""` at the end, `write` takes bytes and waits for a slow reader. `early`
    came with the handshake. `pace` bounds what is received besides whole messages."""

    def __init__(
        self,
        protocol: Protocol,
        read: Callable[[], Awaitable[bytes]],
        write: Callable[[bytes], Awaitable[None]],
        early: Sequence[Event] = (),
        pace: MessagePace | None = None,
    ) -> None:
        self._protocol = protocol
        self._read = read
        self._pace = pace
        self._came, self._at = b"", 0
        """What has been read, and how much of it was taken."""
        self._frames = self._others = 0
        """Frames of this turn of the event loop, and those of them that are no messages and as short."""
        self._write = write
        self._messages: deque[Message] = deque()
        self._pieces: list[bytes] = []
        self._is_text = True
        self._ended = False
        self._order = asyncio.Lock()
        """What the protocol wants written goes out in the order in which it was made."""
        self._take(early)
        self.heard = asyncio.get_running_loop().time()
        """When something last came, a pong included."""

    async def receive(self) -> Message | None:
        """The next message; None once the side has closed, or its connection has ended."""
        while not self._messages:
            if self._ended or self._is_closing:
                return None
            data = await self._more()
            if data:
                self.heard = asyncio.get_running_loop().time()
                self._protocol.receive_data(data)
            else:
                self._ended = True
                self._protocol.receive_eof()
            self._take(self._protocol.events_received())
            await self._flush()
        return self._messages.popleft()

    async def _more(self) -> bytes:
        """The next bytes, some of those that have come; `b""` at the end."""
        if self._frames >= _FRAMES_IN_A_TURN:
            others, self._frames, self._others = self._others, 0, 0
            await asyncio.sleep(self._pace.count(others) if self._pace is not None else 0)
        if self._at >= len(self._came):
            self._came, self._at = await self._read(), 0
        piece = self._came[self._at : self._at + _SLICE_BYTES]
        self._at += len(piece)
        return piece

    async def send(self, message: Message) -> None:
        """Waits where the side does not keep up. To one that has closed nothing is sent."""
        if self._protocol.state is not State.OPEN:
            return
        if message.is_text:
            self._protocol.send_text(message.data)
        else:
            self._protocol.send_binary(message.data)
        await self._flush()

    async def ping(self) -> None:
        """Does not wait: a side that does not take what is sent is not asked whether it is there."""
        if self._protocol.state is State.OPEN and not self._order.locked():
            self._protocol.send_ping(b"")
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_SECONDS):
                    await self._flush()

    async def close(self, closing: Closing) -> None:
        """Sends a close, where none was sent yet, and does not wait for the answer."""
        if self._protocol.state is State.OPEN:
            reason = closing.reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
            self._protocol.send_close(closing.code, reason)
            await self._flush()

    async def drain(self, seconds: float) -> None:
        """After a close: waits for the other side's, throwing away what still comes."""
        try:
            async with asyncio.timeout(seconds):
                while not self._ended and self._protocol.close_rcvd is None:
                    data = await self._more()
                    if not data:
                        return
                    self._protocol.receive_data(data)
                    self._frames += len(self._protocol.events_received())
        except TimeoutError:
            pass

    @property
    def closing(self) -> Closing:
        """How it closed; 1006 where it did not."""
        failure = self._protocol.parser_exc
        if failure is not None and not isinstance(failure, ConnectionClosed | EOFError):
            sent = self._protocol.close_sent
            return Closing(sent.code if sent is not None else 1006, sent.reason if sent is not None else "")
        received = self._protocol.close_rcvd
        return Closing(1006) if received is None else Closing(received.code, received.reason)

    @property
    def _is_closing(self) -> bool:
        return self._protocol.close_rcvd is not None or self._protocol.close_sent is not None

    def _take(self, events: Sequence[Event]) -> None:
        self._frames += len(events)
        for event in events:
            if not isinstance(event, Frame):
                continue
            if len(event.data) < _SMALL_BYTES and not (event.fin and event.opcode in _DATA):
                self._others += 1
            if event.opcode not in _DATA:
                continue
            if event.opcode is not Opcode.CONT:
                self._is_text = event.opcode is Opcode.TEXT
            self._pieces.append(bytes(event.data))
            if event.fin:
                pieces, self._pieces = self._pieces, []
                self._messages.append(Message(b"".join(pieces), self._is_text))

    async def _flush(self) -> None:
        async with self._order:
            data = b"".join(self._protocol.data_to_send())
            if data:
                await self._write(data)


_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
