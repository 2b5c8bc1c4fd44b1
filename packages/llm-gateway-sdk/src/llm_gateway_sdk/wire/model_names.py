"""Which members of an object are named `model`: a reader may take another one for it, or one in capitals."""

from __future__ import annotations

import json as _stdlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count, product
from typing import Any

import msgspec

__all__ = ["count_name", "decode_named_top", "models_named", "names_two_in_pieces", "spellings"]


class _Name(str):
    """The value of a member `model`, in whatever letters, of which each is counted when it is read."""

    __slots__ = ()


@cache
def spellings(name: str) -> frozenset[str]:
    """The name in all mixtures of small letters and capitals, but the name itself."""
    mixed = product(*[(letter.lower(), letter.upper()) for letter in name])
    return frozenset(map("".join, mixed)) - {name}


def names_two_in_pieces(objects: Iterator[bytes]) -> bool:
    names, is_named = 0, False
    for piece in objects:
        more, also = models_named(piece)
        names, is_named = names + more, is_named or also
    return names > is_named


def models_named(data: bytes) -> tuple[int, bool]:
    """How many members of an object are named `model`, in capitals or not, and whether one is in small letters."""
    seen: list[object] = []

    def note(_: type, value: Any) -> _Name:
        seen.append(value)
        return _Name()

    try:
        top = msgspec.json.Decoder(_NamedTop, dec_hook=note).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _models_named_otherwise(data)
    return len(seen), top.model is not None


def _models_named_otherwise(data: bytes) -> tuple[int, bool]:
    """The same for what the fast engine does not read."""
    members: list[tuple[str, Any]] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal members
        members = pairs  # in the end those of the outermost object

    try:
        top = _stdlib.loads(data, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return 0, False
    names = [name for name, _ in members] if top is None else []
    own = names.count("model")
    return own + sum(name in _MODEL_SPELLINGS for name in names), own > 0


def _named(_: type, value: Any) -> _Name:
    if value.__class__ is not str:
        raise TypeError("not a string")
    count_name()
    return _Name(value)


_MODEL_SPELLINGS = spellings("model")
_NamedTop: Any = msgspec.defstruct(
    "_NamedTop",
    [
        ("model", _Name, None),
        ("stream", bool | None, None),
        *((name, _Name, None) for name in sorted(_MODEL_SPELLINGS)),
    ],
)
count_name = count().__next__
decode_named_top: Callable[[bytes], Any] = msgspec.json.Decoder(_NamedTop, dec_hook=_named).decode
