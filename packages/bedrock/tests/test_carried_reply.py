"""Replies that AWS's event stream carries: pieces, headers, breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_bedrock.carried_reply import CarriedReply, exception_of
from llm_gateway_bedrock.eventstream import EventStreamMessage, encode_message

from llm_gateway_sdk import HTTPReply, ModelProtocolError
from llm_gateway_sdk.http import Room

STREAM = [("content-type", "application/vnd.amazon.eventstream"), ("content-length", "5"), ("x-id", "1")]


class Inner(HTTPReply):
    def __init__(self, headers: list[tuple[str, str]], *pieces: bytes) -> None:
        self.status, self.headers, self.pieces, self.closed = 200, headers, list(pieces), False

    async def receive(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        return b"".join(self.pieces)

    def expire_at(self, when: float, reason: str) -> None:
        self.expires = when, reason

    def close(self) -> None:
        self.closed = True


class Plain(CarriedReply):
    def part_of(self, message: EventStreamMessage) -> bytes:
        return b"" if exception_of(message) else message.payload


def message(payload: bytes, **headers: str) -> bytes:
    return encode_message({f":{name.replace('_', '-')}": value for name, value in headers.items()}, payload)


def reply(*pieces: bytes, headers: list[tuple[str, str]] = STREAM) -> tuple[Any, Inner]:
    inner: Any = Inner(headers, *pieces)
    return Plain(inner), inner


def test_a_stream_is_one_of_server_sent_events() -> None:
    found, _ = reply()

    assert found.is_stream
    assert found.headers == [("x-id", "1"), ("content-type", "text/event-stream")]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 30))
def test_messages_are_whole_wherever_the_network_cuts(payloads: list[bytes], size: int) -> None:
    whole = b"".join(message(payload, message_type="event") for payload in payloads)
    found, _ = reply(*(whole[start : start + size] for start in range(0, len(whole), size)))

    assert asyncio.run(found.read()) == b"".join(payloads)


def test_what_means_nothing_is_left_out() -> None:
    pieces = message(b"x", message_type="exception", exception_type="throttlingException"), message(b"a")

    assert asyncio.run(reply(*pieces)[0].read()) == b"a"


def test_a_stream_that_can_not_be_read_is_the_providers_fault() -> None:
    broken = bytearray(message(b"abc"))
    broken[-1] ^= 255

    with pytest.raises(ModelProtocolError, match="can't be read"):
        asyncio.run(reply(bytes(broken))[0].receive())


def test_another_body_passes_as_it_is() -> None:
    found, inner = reply(b"{", b"}", headers=[("content-type", "application/json")])

    assert not found.is_stream
    assert asyncio.run(found.receive()) == b"{"
    assert found.headers is inner.headers
    found.expire_at(5.0, "slow")
    found.close()
    assert (inner.expires, inner.closed) == ((5.0, "slow"), True)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"message_type": "event"}, None),
        ({"message_type": "exception", "exception_type": "modelTimeoutException"}, "modelTimeoutException"),
        ({"message_type": "error", "error_code": "InternalFailure"}, "InternalFailure"),
        ({"message_type": "error"}, ""),
    ],
)
def test_exceptions_are_known_by_their_headers(headers: dict[str, str], name: str | None) -> None:
    fields = {f":{key.replace('_', '-')}": value for key, value in headers.items()}

    assert exception_of(EventStreamMessage(fields, b"")) == name
