"""The AWS event stream encoding (`application/vnd.amazon.eventstream`), bytes to messages and back. Knows no meaning.

A message is: total length (4 bytes), length of the headers (4), CRC-32 of these eight bytes (4), headers, payload,
CRC-32 of everything before it (4); integers are big-endian. A header is: length of its name (1), name, type (1), value.
Source: the Smithy specification, "Amazon Event Stream".
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

__all__ = ["EventStreamDecoder", "EventStreamError", "EventStreamMessage", "encode_message"]

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
MAX_HEADERS_BYTES = 128 * 1024

_PRELUDE = struct.Struct(">III")
_OVERHEAD = _PRELUDE.size + 4


class EventStreamError(ValueError):
    """Bytes that are no event stream: a length out of bounds, a wrong checksum, a header that can't be read."""


@dataclass(slots=True)
class EventStreamMessage:
    headers: dict[str, Any] = field(default_factory=dict)
    """Strings, mostly; numbers, booleans, bytes and UUIDs as the encoding types them."""
    payload: bytes = b""


class EventStreamDecoder:
    """`feed` gives the messages that are complete now; what is left waits for the next call."""

    __slots__ = ("_held", "_pieces", "_wanted")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._wanted = _PRELUDE.size
        """So many bytes must be there before there is anything to do."""

    @property
    def pending(self) -> int:
        """Bytes of a message that is not complete."""
        return self._held

    def feed(self, data: bytes) -> list[EventStreamMessage]:
        """Raises EventStreamError."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._wanted:
            return []
        buffer = b"".join(self._pieces) if len(self._pieces) > 1 else data
        messages = []
        position = 0
        while True:
            self._wanted = _PRELUDE.size
            if len(buffer) - position < _PRELUDE.size:
                break
            total, length = _read_prelude(buffer, position)
            if len(buffer) - position < total:
                self._wanted = total
                break
            messages.append(_read_message(buffer, position, total, length))
            position += total
        rest = buffer[position:]
        self._pieces, self._held = ([rest], len(rest)) if rest else ([], 0)
        return messages


def _read_prelude(buffer: bytes, start: int) -> tuple[int, int]:
    total, length, checksum = _PRELUDE.unpack_from(buffer, start)
    if crc32(buffer[start : start + 8]) != checksum:
        raise EventStreamError("the checksum of a message's prelude is wrong")
    if length > MAX_HEADERS_BYTES or not _OVERHEAD + length <= total <= MAX_MESSAGE_BYTES:
        raise EventStreamError(f"a message of {total} bytes with {length} bytes of headers is out of bounds")
    return total, length


def _read_message(buffer: bytes, start: int, total: int, length: int) -> EventStreamMessage:
    end = start + total - 4
    if crc32(buffer[start:end]) != int.from_bytes(buffer[end : end + 4], "big"):
        raise EventStreamError("the checksum of a message is wrong")
    headers_start = start + _PRELUDE.size
    headers_end = headers_start + length
    return EventStreamMessage(_read_headers(buffer[headers_start:headers_end]), buffer[headers_end:end])


_FIXED: dict[int, struct.Struct] = {
    2: struct.Struct(">b"),
    3: struct.Struct(">h"),
    4: struct.Struct(">i"),
    5: struct.Struct(">q"),
    8: struct.Struct(">q"),  # milliseconds since the epoch
}


def _read_headers(data: bytes) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    position = 0
    try:
        while position < len(data):
            length = data[position]
            name = _slice(data, position + 1, length).decode()
            position += 1 + length
            kind = data[position]
            position += 1
            if kind in (0, 1):
                headers[name] = kind == 0
            elif kind in _FIXED:
                (headers[name],) = _FIXED[kind].unpack_from(data, position)
                position += _FIXED[kind].size
            elif kind in (6, 7):
                (length,) = struct.unpack_from(">H", data, position)
                value = _slice(data, position + 2, length)
                headers[name] = value.decode() if kind == 7 else value
                position += 2 + length
            elif kind == 9:
                headers[name] = uuid.UUID(bytes=_slice(data, position, 16))
                position += 16
            else:
                raise EventStreamError(f"a header of the unknown type {kind}")
    except (IndexError, struct.error, UnicodeDecodeError):
        raise EventStreamError("the headers of a message are cut short") from None
    return headers


def _slice(data: bytes, start: int, length: int) -> bytes:
    if start + length > len(data):
        raise IndexError
    return data[start : start + length]


def encode_message(headers: dict[str, str], payload: bytes) -> bytes:
    """Writes one message whose headers are all strings, as those of a Converse stream are."""
    encoded = b"".join(
        bytes((len(raw),)) + raw + b"\x07" + struct.pack(">H", len(value)) + value
        for raw, value in ((name.encode(), text.encode()) for name, text in headers.items())
    )
    start = struct.pack(">II", _OVERHEAD + len(encoded) + len(payload), len(encoded))
    message = start + struct.pack(">I", crc32(start)) + encoded + payload
    return message + struct.pack(">I", crc32(message))
