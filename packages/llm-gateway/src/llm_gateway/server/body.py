"""Reads a request's body within its limit, and inflates it where the client compressed it."""

from __future__ import annotations

import zlib

from llm_gateway_sdk import Headers, InvalidRequest, PayloadTooLarge

from .reply import Receive

__all__ = ["ClientGone", "inflate", "read_body"]


class ClientGone(Exception):
    """The client left before its request was whole."""


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """Raises PayloadTooLarge beyond `limit` bytes (inflated), InvalidRequest for an unknown encoding, ClientGone."""
    declared = headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise PayloadTooLarge(f"The body has {declared} bytes; at most {limit} are taken.")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        pieces, size = [body], len(body)
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise PayloadTooLarge(f"The body is larger than {limit} bytes.")
            pieces.append(piece)
        body = b"".join(pieces)
    elif len(body) > limit:
        raise PayloadTooLarge(f"The body is larger than {limit} bytes.")
    encoding = headers.get("content-encoding")
    return body if encoding is None else inflate(body, encoding, limit)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as its `content-encoding` says it was compressed. Raises as `read_body` does."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise InvalidRequest(
            f"content-encoding '{encoding}' is not taken here; send gzip, deflate or no encoding.", status=415
        )
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | (16 if "gzip" in encoding else 0))
    try:
        inflated = decompressor.decompress(body, limit + 1)
    except zlib.error:
        if encoding != "deflate":
            raise InvalidRequest("The body is not valid gzip.") from None
        try:
            # Some clients send raw deflate under that name.
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
            inflated = decompressor.decompress(body, limit + 1)
        except zlib.error:
            raise InvalidRequest("The body is not valid deflate.") from None
    if len(inflated) > limit:
        raise PayloadTooLarge(f"The inflated body is larger than {limit} bytes.")
    if not decompressor.eof:
        raise InvalidRequest(f"The {encoding} body ends before its end.")
    return inflated
