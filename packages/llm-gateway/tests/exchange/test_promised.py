"""What a success has to be: a whole document, its beginning, some bytes, or anything."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from llm_gateway.exchange.promised import check_body, first_pieces
from llm_gateway_sdk import HTTPReply, ModelProtocolError
from llm_gateway_sdk.operations.form import ReplyKind


class Pieces:
    """A reply that comes in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.left = [*pieces, b""]

    async def receive(self) -> bytes:
        return self.left.pop(0) if self.left else b""


def begin(kind: ReplyKind, *pieces: bytes) -> bytes:
    return asyncio.run(first_pieces(kind, cast(HTTPReply, Pieces(*pieces))))


def test_a_short_document_is_held_until_it_is_whole() -> None:
    assert begin("object", b' {"a"', b": ", b"1}\n") == b' {"a": 1}\n'
    for pieces in ((b'{"a"', b": 1"), (b"<html>", b"{}"), (b"[1]",), ()):
        with pytest.raises(ModelProtocolError, match="not a JSON object"):
            begin("object", *pieces)


def test_a_long_one_goes_on_after_its_beginning_was_looked_at() -> None:
    body = json.dumps({"data": ["x" * 65536] * 8}).encode()
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)]

    assert begin("object", *pieces) == body[: 5 * 65536]
    with pytest.raises(ModelProtocolError):
        begin("object", b"<" + pieces[0], *pieces[1:])


def test_sound_has_some_bytes_and_files_may_be_empty() -> None:
    assert begin("bytes", b"<sound>", b"more") == b"<sound>"
    assert begin("anything") == b""
    with pytest.raises(ModelProtocolError, match="empty"):
        check_body("bytes", b"")
