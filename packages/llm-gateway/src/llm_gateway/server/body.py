"""Inflates request bodies that clients compressed, within their limit."""

from __future__ import annotations

import zlib

from llm_gateway_sdk import InvalidRequest, PayloadTooLarge

__all__ = ["inflate"]


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as its `content-encoding` names the compression. Raises PayloadTooLarge beyond `limit` bytes (inflated),
    InvalidRequest for an unknown encoding or a body that does not have it."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise InvalidRequest(
            f"content-encoding '{encoding}' is not accepted here; send gzip, deflate or no encoding.", status=415
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
        raise InvalidRequest(f"The {encoding} body is incomplete.")
    return inflated
