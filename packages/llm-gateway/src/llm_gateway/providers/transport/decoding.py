"""Bodies that an upstream compressed although it was asked for `identity`. Bytes in, bytes out, bounded per call."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from llm_gateway_sdk.errors import ModelProtocolError

__all__ = ["ContentDecoder", "Undecodable", "decode_headers", "find_decoder", "receive_decoded", "without_encoding"]


class ContentDecoder(Protocol):
    """Both raise zlib.error for bytes that are not what the encoding promises."""

    def feed(self, data: bytes, limit: int) -> bytes:
        """At most `limit` decoded bytes; the rest stays inside and comes with the next call, `feed(b"", limit)`."""
        ...

    @property
    def pending(self) -> bool:
        """There is more to get without feeding more."""
        ...

    @property
    def finished(self) -> bool:
        """The input may end here."""
        ...


def find_decoder(encoding: str) -> ContentDecoder | None:
    """None for `identity`. A coding that can't be undone here has a decoder that reports it when it is asked."""
    match encoding.strip().lower():
        case "gzip" | "x-gzip":
            return _Inflater(_GZIP)
        case "deflate":
            return _Inflater(_ZLIB)
        case "" | "identity":
            return None
    return Undecodable(encoding.strip())


class Undecodable:
    """A coding that was not asked for and can't be undone: reading the body raises an error that names it. The
    body of an error is left out instead, since its status is worth more."""

    finished = True
    pending = False

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding[:40]
        self.is_error = False

    def feed(self, data: bytes, limit: int) -> bytes:
        if self.is_error or not data:
            return b""
        raise ModelProtocolError(
            f"The provider answered in the content coding '{self._encoding}', which the gateway did not ask for."
        )


def decode_headers(
    decoder: ContentDecoder | None, status: int, headers: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The headers as they are true for what the decoder gives."""
    if decoder is None:
        return headers
    if isinstance(decoder, Undecodable):
        decoder.is_error = not 200 <= status < 300
        return headers
    return without_encoding(headers)


def without_encoding(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers as they are true for the decoded body."""
    return [header for header in headers if header[0] not in ("content-encoding", "content-length")]


async def receive_decoded(decoder: ContentDecoder, receive: Callable[[], Awaitable[bytes]]) -> bytes:
    """The next decoded bytes; `b""` at the end. Raises ModelProtocolError for a body that is damaged or cut."""
    while True:
        if decoder.pending:
            await asyncio.sleep(0)  # what is at hand takes its time: others have their turn
            data = b""
        else:
            data = await receive()
        if not data and not decoder.pending:
            if not decoder.finished:
                raise ModelProtocolError("The compressed body of the reply is incomplete.")
            return b""
        try:
            decoded = decoder.feed(data, _STEP)
        except zlib.error as error:
            raise ModelProtocolError("The compressed body of the reply is damaged.") from error
        if decoded:
            return decoded


class _Inflater:
    """Gzip members may follow one another. `deflate` means zlib, but some servers send it raw: the first byte
    decides."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._engine = zlib.decompressobj(window_bits)
        self._rest = b""
        self._started = False
        self._full = False

    def feed(self, data: bytes, limit: int) -> bytes:
        data = self._rest + data if self._rest else data
        if not self._started and data:
            self._started = True
            if self._window_bits == _ZLIB and data[0] & 0x0F != 8:
                self._window_bits = _RAW
                self._engine = zlib.decompressobj(_RAW)
        pieces: list[bytes] = []
        while limit > 0:
            if self._engine.eof and data:
                if self._window_bits != _GZIP:
                    raise zlib.error("bytes after the end of the compressed body")
                self._engine = zlib.decompressobj(_GZIP)
            piece = self._engine.decompress(data, limit)
            pieces.append(piece)
            limit -= len(piece)
            data = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
            if not data:
                break
        self._rest = data
        self._full = limit <= 0
        return b"".join(pieces)

    @property
    def pending(self) -> bool:
        # A call that reached its limit may have left output inside the engine, with all input consumed.
        return self._full or bool(self._rest)

    @property
    def finished(self) -> bool:
        return self._engine.eof or not self._started


_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_STEP = 1024 * 1024
"""Decoded bytes per call: a small compressed body may hold gigabytes."""
