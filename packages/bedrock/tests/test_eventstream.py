"""The event stream encoding, against botocore's own reader and against damage."""

from __future__ import annotations

import struct
import uuid
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_bedrock.eventstream import EventStreamDecoder, EventStreamError, encode_message

_HEADERS = st.dictionaries(st.text("abc:-", min_size=1, max_size=9), st.text(max_size=9), max_size=4)
_MESSAGES = st.lists(st.tuples(_HEADERS, st.binary(max_size=40)), max_size=5)


@given(_MESSAGES, st.integers(1, 50))
def test_any_cut_gives_the_same_messages(messages: list[tuple[dict[str, str], bytes]], size: int) -> None:
    data = b"".join(encode_message(headers, payload) for headers, payload in messages)
    decoder = EventStreamDecoder()

    found = [message for at in range(0, len(data), size) for message in decoder.feed(data[at : at + size])]

    assert [(message.headers, message.payload) for message in found] == messages
    assert decoder.pending == 0


@given(_MESSAGES)
def test_botocore_reads_what_is_written(messages: list[tuple[dict[str, str], bytes]]) -> None:
    eventstream = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(b"".join(encode_message(headers, payload) for headers, payload in messages))

    assert [(message.headers, message.payload) for message in buffer] == messages


@given(st.data())
def test_a_changed_byte_never_passes_for_a_message(data: st.DataObject) -> None:
    stream = bytearray(encode_message({":event-type": "metadata"}, b'{"usage": {}}'))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    decoder = EventStreamDecoder()

    with pytest.raises(EventStreamError):
        decoder.feed(bytes(stream))


def test_every_type_of_header_is_read() -> None:
    identity = uuid.uuid4()
    headers = b"".join(
        bytes((1,)) + name + value
        for name, value in (
            (b"a", b"\x00"), (b"b", b"\x01"), (b"c", b"\x02\xff"), (b"d", b"\x03" + struct.pack(">h", -2)),
            (b"e", b"\x04" + struct.pack(">i", 3)), (b"f", b"\x05" + struct.pack(">q", 4)),
            (b"g", b"\x06\x00\x02hi"), (b"h", b"\x07\x00\x02hi"), (b"i", b"\x08" + struct.pack(">q", 5)),
            (b"j", b"\x09" + identity.bytes),
        )
    )  # fmt: skip

    (message,) = EventStreamDecoder().feed(_message(headers))

    assert message.headers == {
        "a": True, "b": False, "c": -1, "d": -2, "e": 3, "f": 4, "g": b"hi", "h": "hi", "i": 5, "j": identity,
    }  # fmt: skip


@pytest.mark.parametrize("headers", [b"\x01a\x0a", b"\x05a", b"\x01a\x07\x00\x09hi", b"\x01\xff\x00\x01a"])
def test_headers_that_cannot_be_read_are_refused(headers: bytes) -> None:
    with pytest.raises(EventStreamError):
        EventStreamDecoder().feed(_message(headers))


def test_a_length_out_of_bounds_is_refused_before_it_is_waited_for() -> None:
    prelude = struct.pack(">II", 1 << 30, 0)

    with pytest.raises(EventStreamError, match="out of bounds"):
        EventStreamDecoder().feed(prelude + struct.pack(">I", crc32(prelude)))


def _message(headers: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers), len(headers))
    start = prelude + struct.pack(">I", crc32(prelude)) + headers
    return start + struct.pack(">I", crc32(start))
