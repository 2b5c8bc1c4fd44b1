"""A whole body, read piece by piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

from .errors import ModelProtocolError
from .heavy import run_aside
from .http import UNASKED_BYTES, Room
from .wire.pieces import joined

__all__ = ["read_in_pieces", "whole_of_pieces"]


async def read_in_pieces(
    receive: Callable[[], Awaitable[bytes]], limit: int | None, room: Room | None, until: float = inf
) -> bytes:
    """What `receive` gives up to the end. See HTTPReply.read."""
    pieces: list[bytes] = []
    length = asked = 0
    while piece := await receive():
        length += len(piece)
        if limit is not None and length > limit:
            raise ModelProtocolError(f"The reply is larger than the {limit} bytes that are accepted.")
        pieces.append(piece)
        if length > UNASKED_BYTES and room is not None:
            await room(length - asked, until)
            asked = length
    return await whole_of_pieces(pieces, length)


async def whole_of_pieces(pieces: list[bytes], length: int) -> bytes:
    """All of them in one. Of many long bodies that end at the same moment, each copy would hold up the event loop."""
    if len(pieces) == 1:
        return pieces[0]
    return await run_aside(joined, pieces) if length > UNASKED_BYTES else b"".join(pieces)
