"""Bodies that were compressed unasked."""

from __future__ import annotations

import gzip
import zlib

import pytest

from llm_gateway.providers.transport.decoding import Undecodable, decode_headers, find_decoder
from llm_gateway_sdk.errors import ModelProtocolError

HEADERS = [("content-type", "application/json"), ("content-encoding", "x"), ("content-length", "3")]


@pytest.mark.parametrize("coding", ["gzip", "GZIP", " x-gzip ", "deflate"])
def test_what_is_decoded_loses_its_coding(coding: str) -> None:
    decoder = find_decoder(coding)
    assert decoder is not None
    data = zlib.compress(b"text") if coding == "deflate" else gzip.compress(b"text")

    assert decoder.feed(data, 100) == b"text"
    assert decoder.finished
    assert decode_headers(decoder, 200, HEADERS) == HEADERS[:1]


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_no_coding_needs_no_decoder(coding: str) -> None:
    assert find_decoder(coding) is None
    assert decode_headers(None, 200, HEADERS) == HEADERS


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "gzip, gzip", "aws-chunked", "nonsense"])
def test_a_coding_that_is_not_known_is_named(coding: str) -> None:
    decoder = find_decoder(coding)
    assert isinstance(decoder, Undecodable)
    assert decode_headers(decoder, 200, HEADERS) == HEADERS

    with pytest.raises(ModelProtocolError, match=f"content coding '{coding}'"):
        decoder.feed(b"\x00\x01", 100)


def test_of_an_error_in_such_a_coding_the_status_is_kept() -> None:
    decoder = find_decoder("br")
    assert decoder is not None
    decode_headers(decoder, 429, HEADERS)

    assert decoder.feed(b"\x00\x01", 100) == b""
    assert decoder.finished
