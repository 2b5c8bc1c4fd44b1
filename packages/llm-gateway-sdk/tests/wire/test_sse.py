from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.wire.sse import EventSplitter, bare_data, event_data, parse_event

_PIECES = st.sampled_from(["a", "data: x", "event: e\ndata: y", ": c", " ", "\n", "\n\n", "\r", "\r\n", "\r\n\r\n"])
_STREAMS = st.lists(_PIECES, max_size=14).map(lambda pieces: "".join(pieces).encode())


@given(_STREAMS, st.lists(st.integers(0, 60), max_size=6))
def test_a_stream_gives_the_same_events_however_it_is_cut(stream: bytes, cuts: list[int]) -> None:
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\r")
    wanted = [event.strip(b"\n") for event in re.split(rb"\n\n+", text) if event.strip(b"\n")]

    splitter = EventSplitter()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    events = [event for start, end in pairwise(places) for event in splitter.feed(stream[start:end])]

    assert events + splitter.close() == wanted


def test_events_that_arrive_one_by_one_are_given_at_once() -> None:
    splitter = EventSplitter()

    assert splitter.feed(b"data: 1\n\n") == [b"data: 1"]
    assert splitter.feed(b"event: e\ndata: 2\n\n") == [b"event: e\ndata: 2"]
    assert splitter.feed(b"a\nb\nc\n\n") == [b"a\nb\nc"]
    assert splitter.feed(b"\ndata: 3\n\n") == [b"data: 3"]
    assert splitter.feed(b"data: 3\n\n\n") == [b"data: 3"]
    assert splitter.feed(b"data: 4\n\ndata: 5\n\n") == [b"data: 4", b"data: 5"]
    assert splitter.close() == []


@given(_STREAMS)
def test_the_data_of_an_event_is_what_reading_it_whole_gives(stream: bytes) -> None:
    for raw in EventSplitter().feed(stream + b"\n\n"):
        event = parse_event(raw)
        assert event_data(raw) == (event.data if event is not None else bare_data(raw))


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b'{"error":1}', b'{"error":1}'),
        (b' {"error":\n1}\n', b'{"error":\n1}'),
        (b'[{"error":1},{"error":2}]', b'{"error":1}'),
        (b"[1]", None),
        (b"[oops", None),
        (b": a comment", None),
        (b"upstream failed", None),
        (b"", None),
    ],
)
def test_a_bare_object_is_data_though_it_has_no_field_name(raw: bytes, data: bytes | None) -> None:
    assert bare_data(raw) == data
    assert event_data(raw) == data
