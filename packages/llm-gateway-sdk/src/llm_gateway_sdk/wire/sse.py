"""Server-sent events on bytes (WHATWG HTML, section 9.2).

Lines end at CR, LF or CRLF only: the other line breaks of Unicode are legal inside JSON strings.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import json
from .pieces import joined

__all__ = [
    "DEFAULT_MAX_EVENT_BYTES",
    "EventSplitter",
    "SSEDecoder",
    "SSEError",
    "SSEEvent",
    "bare_data",
    "encode_event",
    "event_data",
    "parse_event",
]

DEFAULT_MAX_EVENT_BYTES = 32 * 1024 * 1024
"""An event may carry a whole base64 image; beyond this something is wrong."""


# To look for a number is several times faster than to look for a byte string of one.
_LF, _CR = b"\n\r"


class SSEError(ValueError):
    """An event that never ends."""


@dataclass(slots=True, frozen=True)
class SSEEvent:
    """One event. `event` is None where the stream gave no name; `data` is joined by LF where it had several lines."""

    event: str | None
    data: bytes


class EventSplitter:
    """Cuts a byte stream into whole events, however it arrives.

    `feed` gives the events that are complete now, each without its blank line and with LF line ends; what is left waits
    for the next call, as pieces which are joined once: an event of many pieces costs no more than its length.
    """

    __slots__ = ("_held", "_max", "_pending_cr", "_pieces", "_started")

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._pending_cr = False
        self._started = False
        self._max = max_event_bytes

    def feed(self, data: bytes) -> list[bytes]:
        if not self._started:
            # A byte order mark may itself arrive in pieces.
            data = b"".join((*self._pieces, data))
            if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
                self._pieces = [data]
                return []
            self._started = True
            self._pieces = []
            data = data.removeprefix(b"\xef\xbb\xbf")
        if self._pending_cr or _CR in data:
            data = self._normalise(data)
        pieces = self._pieces
        if not pieces and data[-2:] == b"\n\n" and data[0] != _LF:
            event = data[:-2]
            if _LF not in event:
                # One event of one line, as most arrive.
                return [event]
        seam = bool(pieces) and data[:1] == b"\n" and pieces[-1][-1:] == b"\n"
        if not seam and data.find(b"\n\n") < 0:
            if data:
                pieces.append(data)
                self._held += len(data)
                if self._held > self._max:
                    raise SSEError(f"an event is larger than {self._max} bytes")
            return []
        first: list[bytes] = []
        if pieces:
            if seam:
                pieces[-1], data = pieces[-1][:-1], data[1:]
            else:
                end = data.find(b"\n\n")
                pieces.append(data[:end])
                data = data[end + 2 :]
            first.append(joined(pieces))  # which is not cut again, for it may be long
        events = first + data.split(b"\n\n")
        rest = events.pop()
        if rest or pieces:
            self._pieces = [rest] if rest else []
            self._held = len(rest)
        for event in events:
            if not event or event[0] == _LF:
                # More blank lines than one.
                return [text for event in events if (text := event.lstrip(b"\n"))]
        return events

    def close(self) -> list[bytes]:
        """What is there when the stream has ended. Lenient: some servers leave the last blank line out."""
        rest = b"".join(self._pieces).strip(b"\n")
        self._pieces, self._held, self._pending_cr = [], 0, False
        return [rest] if rest else []

    def _normalise(self, data: bytes) -> bytes:
        if self._pending_cr:
            data = b"\r" + data
        # A CR at the end may be half of a CRLF.
        self._pending_cr = data.endswith(b"\r")
        if self._pending_cr:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class SSEDecoder:
    """Bytes in, events out; comments and events without data are passed over."""

    __slots__ = ("_splitter",)

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._splitter = EventSplitter(max_event_bytes)

    def feed(self, data: bytes) -> list[SSEEvent]:
        return [event for raw in self._splitter.feed(data) if (event := parse_event(raw)) is not None]

    def close(self) -> list[SSEEvent]:
        return [event for raw in self._splitter.close() if (event := parse_event(raw)) is not None]


def parse_event(raw: bytes) -> SSEEvent | None:
    """Reads one event as `EventSplitter` cuts them; None where it carries no data."""
    if _LF not in raw:
        if raw.startswith(b"data:"):
            return SSEEvent(None, raw[6:] if raw[5:6] == b" " else raw[5:])
        return None
    name: str | None = None
    data: list[bytes] = []
    for line in raw.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            name = line[6:].strip().decode("utf-8", "replace")
        elif line == b"data":
            data.append(b"")
    if not data:
        return None
    return SSEEvent(name, data[0] if len(data) == 1 else b"\n".join(data))


def event_data(raw: bytes) -> bytes | None:
    """The data of an event, for formats whose data repeat the event's name, or a bare object; None where it carries
    neither."""
    name, _, data = raw.partition(b"\n")
    if name[:6] == b"event:" and data[:6] == b"data: " and _LF not in data:
        return data[6:]
    event = parse_event(raw)
    return event.data if event is not None else bare_data(raw)


def bare_data(raw: bytes) -> bytes | None:
    """The JSON object of an event that has no field names, or the first object of an array; None for anything else.

    Servers, and what is between them and the gateway, write an error so where a stream has begun, or in its place.
    """
    text = raw.strip()
    if text[:1] == b"{":
        return text
    if text[:1] != b"[":
        return None
    try:
        items = json.loads(text)
    except ValueError:
        return None
    return next((json.dumps(item) for item in items if isinstance(item, dict)), None)


def encode_event(data: bytes, event: str | None = None) -> bytes:
    """Writes one event. `data` must hold no line break, as compact JSON does not."""
    if event is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + event.encode(errors="replace") + b"\ndata: " + data + b"\n\n"
