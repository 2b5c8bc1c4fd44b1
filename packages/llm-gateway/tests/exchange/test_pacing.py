"""What a reply may cost in one turn, and what one event may be."""

from __future__ import annotations

import pytest

from llm_gateway.exchange.pacing import PIECE_BYTES, EventBound, pieces
from llm_gateway_sdk import ModelProtocolError


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 3])
def test_pieces_are_bounded_and_whole(size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    cut = list(pieces(data))

    assert b"".join(cut) == data
    assert all(len(piece) <= PIECE_BYTES for piece in cut)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("step", [1, 3, 50])
def test_events_within_the_bound_pass_however_they_are_cut(end: bytes, step: int) -> None:
    bound = EventBound(120)
    data = (b"data: " + b"x" * 90 + end) * 20
    for start in range(0, len(data), step):
        bound.check(data[start : start + step])


@pytest.mark.parametrize("step", [1, 3, 50])
def test_an_event_beyond_the_bound_is_refused_before_it_ends(step: int) -> None:
    bound, data = EventBound(120), b"data: ok\n\ndata: " + b"x" * 300

    def check() -> None:
        for start in range(0, len(data), step):
            bound.check(data[start : start + step])

    with pytest.raises(ModelProtocolError, match="120"):
        check()
