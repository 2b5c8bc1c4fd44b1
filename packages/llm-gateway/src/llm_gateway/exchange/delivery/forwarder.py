"""Forwards a stream of the client's own dialect as it came, whole events only.

Sans-IO: provider bytes in, bytes for the client out. Nothing is sent before the first content event, so that a provider
which fails before it can be replaced unseen; what arrives together leaves together; the unfinished tail waits for its
blank line, so that errors and keep-alives are always between events.

The states, of which two flags and a list hold which one it is:

    holding ── first content ──▶ committed ── terminal event ──▶ finished
       │                             │
       └──── error event ────────────┴──▶ failed

`holding`    Events gather in `_held`. Nothing has been sent, so the attempt may still fail without a trace.
`committed`  `_held` has been released; every whole event leaves as soon as its blank line is there.
`finished`   The reply is whole. What follows is passed on too, for clients that count on it.
`failed`     `error` is set. That event, and all that follows it, goes into `error_event` and not to the client: the
             gateway decides whether to answer with another provider or to end the stream with an error of its form.

What always holds:

- Bytes in are bytes out: what is released, held and in `error_event` is what was fed, in its order. Exceptions are
  usage events that the client did not ask for, and a blank line or terminal event that the provider left out.
- What is released ends with a blank line. A boundary may be cut anywhere, within a CR LF too: `_seam` has the last
  bytes before the cut, so that a boundary across two reads is found.
- An event larger than `max_event_bytes` raises; memory is bounded by that, `head`, and the last four blocks, which
  are kept because usage and the terminal event are in them.
"""

from __future__ import annotations

import re
from functools import partial

from llm_gateway_sdk import Dialect, Mint
from llm_gateway_sdk.dialects.bare_errors import plain_error
from llm_gateway_sdk.errors import DialectError, ErrorInfo
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import first_place, joined
from llm_gateway_sdk.wire.sse import parse_event

__all__ = ["StreamForwarder"]

_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r(?!\n)|\n\r\n|\r\n\n")
_CR = 13
"""`13 in data` is a search for a byte, `b"\r" in data` first an attempt to read the bytes as a number."""
_TAIL_KEPT = 64 * 1024
_LONG = 512 * 1024
"""Bytes of a block that is searched in steps; more than are read at once."""
_BEYOND_LONG = _LONG + 1
_BARE = (b"{", b"[")
"""How JSON begins that is not in the data of an event, as servers write errors."""


def _may_be_bare(event: bytes, *, plain: bool = True) -> bool:
    """Whether what looks like an event is JSON or plain text without field names, as servers write errors."""
    return event.lstrip()[:1] in _BARE or (plain and plain_error(event) is not None)


class StreamForwarder:
    """One per stream.

    After `feed`, `committed` reports whether content has been released and `finished` that the terminal event came.
    `error` holds the error of an error event; `error_event` that event and what followed it, with what was still held,
    for the case that this is the reply in the end.
    """

    __slots__ = (
        "_before",
        "_dialect",
        "_earlier",
        "_held",
                "_last",
        "_max",
        "_seam",
        "_withhold_usage",
        "committed",
        "error",
        "error_event",
        "finished",
        "head",
        "open_bytes",
        "pieces",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, *, max_event_bytes: int, withhold_usage: bool = False) -> None:
        self._dialect = dialect
        self._max = max_event_bytes
        self._withhold_usage = withhold_usage
        self.pieces: list[bytes] = []
        self.open_bytes = 0
        """Of the event that is not ended yet."""
        self._seam = b""
        self._held: list[bytes] = []
        # The last blocks. A usage event may be followed by a ping and the terminal event, each in a separate block.
        self._earlier = (b"", b"")
        self._before = b""
        self._last = b""
        self.head = b""
        """The first events, for `usage_of`."""
        self.committed = False
        self.finished = False
        self.error: ErrorInfo | None = None
        self.error_event: bytes | None = None

    @property
    def tail(self) -> bytes:
        """The last events, for `usage_of`."""
        return joined([*self._earlier, self._before, self._last])

    @property
    def tail_bytes(self) -> int:
        former, before = self._earlier
        return len(former) + len(before) + len(self._before) + len(self._last)

    def feed(self, data: bytes) -> bytes:
        """What goes to the client now. Raises DialectError where an event exceeds the limit."""
        block = self.gather(data)
        return self.release(block) if block else b""

    def gather(self, data: bytes) -> bytes:
        """The whole events that `data` completes, to be released. Raises DialectError where one exceeds the limit."""
        if self.error is not None:
            # What follows an error event is its provider's too, wherever the network has cut it.
            self.error_event = (self.error_event or b"") + data
            return b""
        size = len(data)
        end = size if data[-2:] == b"\n\n" else _last_boundary(data)
        pieces = self.pieces
        if pieces:
            if end == 0:
                # A boundary may lie across the seam.
                end = _last_boundary(self._seam + data[:3]) - len(self._seam)
                if end <= 0:
                    return self._keep(data)
            pieces.append(data[:end])
            block = joined(pieces)
            pieces.clear()
            self.open_bytes = 0
        elif end == 0:
            return self._keep(data)
        else:
            block = data[:end] if end < size else data
        if end < size:
            self._seam = b""
            self._keep(data[end:])
        return block

    def close(self, mint: Mint, *, broken: bool = False) -> bytes:
        """The stream has ended: the last event where its blank line is missing, and it is whole without it.

        With `broken` the end was not a clean one. It may have come after all that matters: `finished` is then true.
        """
        rest = b"".join(self.pieces)
        self.pieces.clear()
        if self.error is None and _may_be_bare(rest, plain=not self.finished):
            # An error may be bare, without `data:` and without a blank line after it.
            self.error = self._error_of(rest)
            if self.error is not None:
                self.error_event = (b"" if self.committed else b"".join(self._held)) + rest
                return b""
        out = self.release(rest.rstrip(b"\r\n") + b"\n\n") if not broken and _is_whole(rest) else b""
        if not self.finished and self.error is None:
            decoder = self._dialect.stream_decoder(mint)
            try:
                decoder.feed(self._before)
                decoder.feed(self._last)
                decoder.close()
            except DialectError:
                return out
            # Some servers leave the terminal event out and still say why they stopped.
            self.finished = decoder.finished
            if self.finished and self._held:
                out = b"".join(self._held) + out
                self._held.clear()
            if self.finished:
                out += self._dialect.end_event
            elif self.committed and not out and (events := _split(self._last)):
                # It has gone to the client as it came, for nothing in it marks an error.
                self.error = self._error_of(events[-1])
                self.error_event = b"" if self.error is not None else None
        return out

    def _error_of(self, event: bytes) -> ErrorInfo | None:
        """The error that an event reports, as the dialect reads it."""
        wire = event.strip(b"\r\n").replace(b"\r\n", b"\n")
        if wire.lstrip()[:1] in _BARE:
            wire = wire.replace(b"\n", b" ")  # one event, however many lines it has
        decoder = self._dialect.stream_decoder(Mint(lambda prefix: prefix, lambda: 0))
        try:
            chunks = [*decoder.feed(wire + b"\n\n"), *decoder.close()]
        except DialectError:
            return None
        return next((chunk.error for chunk in chunks if chunk.error is not None), None)

    def _check_answer(self, stream: bytes) -> None:
        """Of a stream that ends with its first content, or without any. Raises DialectError where it holds none."""
        decoder = self._dialect.stream_decoder(Mint(lambda prefix: prefix, lambda: 0))
        decoder.feed(stream.replace(b"\r\n", b"\n"))
        decoder.close()

    def _keep(self, data: bytes) -> bytes:
        if data:
            if not self.pieces:
                self._seam = b""
            self.pieces.append(data)
            self._seam = (self._seam + data[-3:])[-3:]
            self.open_bytes += len(data)
            if self.open_bytes > self._max:
                raise DialectError(f"a stream event is larger than {self._max} bytes")
        return b""

    def release(self, block: bytes) -> bytes:
        """What of a gathered block goes to the client now."""
        return block if self.release_plain(block) else self._release_by_event(block)

    def release_plain(self, block: bytes) -> bool:
        """Whether the block goes to the client as it is, as nearly all do; else nothing has been done about it."""
        if not self.committed:
            return False
        dialect, find = self._dialect, block.find  # `in` would first try to read a marker as a number
        if block[_LONG:_BEYOND_LONG]:  # costs less than a call
            find = partial(first_place, block)
        if self._withhold_usage:
            for marker in dialect.usage_markers:
                if find(marker) >= 0:
                    return False
        for marker in dialect.error_markers:
            if find(marker) >= 0:
                return False
        if not self.finished:
            for marker in dialect.end_markers:
                if find(marker) >= 0:
                    return False
        self._earlier = (self._earlier[1], self._before)
        self._before, self._last = self._last, block
        return True

    def _release_by_event(self, block: bytes) -> bytes:
        dialect, out = self._dialect, self._held
        self._held = []
        events = _split(block)
        for position, event in enumerate(events):
            kind = dialect.event_kind(_ends_of(event).strip(b"\r\n"))
            if kind == "error" or _may_be_bare(event, plain=not self.finished):
                self.error = self._error_of(event)
                if self.error is not None:
                    before = b"" if self.committed else b"".join(out)
                    # With the unfinished tail, which waits for a blank line that is not needed any more.
                    self.error_event = before + b"".join([*events[position:], *self.pieces])
                    self.pieces.clear()
                    break
            if kind == "content":
                self.committed = True
            elif kind == "terminal":
                if not self.committed:
                    self._check_answer(b"".join([*out, event]))
                self.finished = True
                self.committed = True
            elif kind == "usage" and self._withhold_usage:
                self._last = (self._last + event)[-_TAIL_KEPT:]
                continue
            out.append(event)
        if not self.head and out:
            self.head = out[0]
        joined = b"".join(out)
        if self._withhold_usage:
            self._last = (self._last + joined)[-_TAIL_KEPT:]
        elif joined:
            self._earlier = (self._earlier[1], self._before)
            self._before, self._last = self._last, joined
        if not self.committed:
            self._held = [joined] if joined else []
            return b""
        return joined


def _ends_of(event: bytes) -> bytes:
    """What shows the kind of an event: of a long one its beginning and its end."""
    return event if len(event) <= _LONG else event[:_TAIL_KEPT] + event[-_TAIL_KEPT:]


def _is_whole(event: bytes) -> bool:
    """Whether an event without its blank line lacks no more than that."""
    read = parse_event(event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip(b"\n"))
    if read is None:
        return False
    try:
        return read.data == b"[DONE]" or isinstance(json.loads(read.data), dict)
    except ValueError:
        return False


def _last_boundary(data: bytes) -> int:
    """Where the last blank line ends; 0 where there is none."""
    if _CR not in data:
        place = data.rfind(b"\n\n")
        return place + 2 if place >= 0 else 0
    end = 0
    for match in _BOUNDARY.finditer(data):
        end = match.end()
    return end


def _split(block: bytes) -> list[bytes]:
    """The events of a block, each with its blank line."""
    if _CR not in block:
        if first_place(block, b"\n\n") == len(block) - 2:
            return [block]  # which may be long, and is not copied
        return [event + b"\n\n" for event in block.split(b"\n\n") if event.strip(b"\n")]
    events, start = [], 0
    for match in _BOUNDARY.finditer(block):
        if block[start : match.end()].strip():
            events.append(block[start : match.end()])
        start = match.end()
    return events
