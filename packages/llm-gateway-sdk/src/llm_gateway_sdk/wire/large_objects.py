"""The top level of a large object, read in pieces between which other threads have their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from .many_values import Members

__all__ = ["may_set_ceiling", "objects_of", "peek_in_pieces"]

_BRACE = 0x7B
_REFUSED = (UnicodeEncodeError, msgspec.DecodeError, RecursionError)


class _Present(msgspec.Struct):
    """Two members of an object, of which each is there, null or missing."""

    model: str | msgspec.UnsetType | None = msgspec.UNSET
    stream: bool | msgspec.UnsetType | None = msgspec.UNSET


def objects_of(data: bytes, members: list[Members]) -> Iterator[bytes]:
    """Objects that together have the members of one, those with long values without what is in these. Raises ValueError
    where the text is a list."""
    if data.lstrip()[:1] != b"{":
        raise ValueError("Expected a JSON object")
    for each in members:
        if each.value < 0:
            yield b"{%b}" % data[each.start : each.end]
        else:
            yield b"{%b%b}" % (data[each.start : each.value], b"{}" if data[each.value] == _BRACE else b"[]")


def peek_in_pieces(
    objects: Iterator[bytes], read_otherwise: Callable[[bytes, Exception], Any]
) -> tuple[str | None, bool]:
    found: dict[str, Any] = {}
    for piece in objects:
        try:
            top = _decode_present(piece)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        except _REFUSED as error:
            found |= read_otherwise(piece, error)
        else:
            found |= msgspec.to_builtins(top)
    model, stream = found.get("model"), found.get("stream")
    if not isinstance(model, str | None) or not isinstance(stream, bool | None):
        raise ValueError("`model` must be a string and `stream` a boolean")
    return model, bool(stream)


_decode_present = msgspec.json.Decoder(_Present).decode


def may_set_ceiling(data: bytes, member: Members) -> bool:
    return member.value < 0 or data.find(b"onfig", member.start, member.value) >= 0
