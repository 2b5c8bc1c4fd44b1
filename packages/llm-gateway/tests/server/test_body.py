"""Compressed bodies are inflated within their limit, and refused where they are not what their header promises."""

from __future__ import annotations

import gzip
import zlib

import pytest

from llm_gateway.server.body import inflate
from llm_gateway_sdk import InvalidRequest, PayloadTooLarge

BODY = b'{"model": "m"}' * 20
# The time that gzip writes into its head would give each process its own test ids.
GZIP = gzip.compress(BODY, mtime=0)
RAW_DEFLATE = zlib.compressobj(wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", GZIP),
        (" GZip ", GZIP),
        ("x-gzip", GZIP),
        ("deflate", zlib.compress(BODY)),
        ("deflate", RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush()),
    ],
)
def test_a_body_arrives_as_it_was_before_its_compression(encoding: str, sent: bytes) -> None:
    assert inflate(sent, encoding, 10_000) == BODY


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    with pytest.raises(PayloadTooLarge, match="larger than 1000 bytes"):
        inflate(bomb, "gzip", 1000)


def test_a_body_of_just_the_limit_is_taken() -> None:
    assert inflate(gzip.compress(BODY), "gzip", len(BODY)) == BODY


@pytest.mark.parametrize(
    ("encoding", "sent", "message"),
    [
        ("gzip", b"plain", "not valid gzip"),
        ("deflate", b"plain", "not valid deflate"),
        ("gzip", GZIP[:-10], "is incomplete"),
    ],
)
def test_a_body_that_is_not_what_its_header_promises(encoding: str, sent: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        inflate(sent, encoding, 10_000)


def test_an_encoding_that_is_not_taken_is_named_with_those_that_are() -> None:
    with pytest.raises(InvalidRequest, match=r"'br' is not accepted here; send gzip, deflate") as refused:
        inflate(BODY, "br", 10_000)

    assert refused.value.status == 415
