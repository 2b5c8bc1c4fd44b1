"""Large values, freed in slices.

The interpreter frees a list of 200,000 values, and all that they hold, in one go: up to some fifty milliseconds in
which no other thread has its turn. It does so where the last reference goes, which may be anywhere: at the end of a
function, or when a request has ended. So whatever makes such a value while there is heavy work notes it here, which is
one more reference. When that is the only one left, the value is taken apart piece by piece in the thread for heavy
work.

Nothing is changed for that: a container that is freed alone leaves its members to the list that holds them meanwhile,
and what something else refers to stays as it is.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

__all__ = ["Freeing"]

_TRIES = 1000
"""What something else refers to all that time is freed where that ends."""
_MANY = 1000
_LEAVES = frozenset({str, int, float, bool, bytes, type(None)})
_NOTE_AND_LOCAL = 3
"""References to a value that only the note has, as `sys.getrefcount` counts them: the pair, the variable, the call."""


class Freeing:
    """The values that are noted, by one thread at a time."""

    _noted: dict[int, tuple[int, Any]] = {}
    """By identity: a second note would be a reference for which the first one would wait, and the other way round."""

    @classmethod
    def note(cls, value: Any) -> None:
        """The value may be large, and is freed by `free` when nothing else refers to it."""
        if value.__class__ not in _LEAVES:
            cls._noted[id(value)] = (_TRIES, value)

    @classmethod
    def free(cls) -> bool:
        """Frees what only its note refers to. Whether there is more that is still in use."""
        noted = cls._noted
        for key in list(noted):
            pair = noted.pop(key)
            left, value = pair
            if sys.getrefcount(value) <= _NOTE_AND_LOCAL:
                waiting = [value]
                del pair, value
                _take_apart(waiting)
            elif left > 0:
                noted.setdefault(key, (left - 1, value))
        return bool(noted)


def _take_apart(waiting: list[Any]) -> None:
    node: Any = None
    while waiting:
        node = waiting.pop()
        if sys.getrefcount(node) > 2:  # the variable and the call
            continue
        members = gc.get_referents(node)
        if len(members) > _MANY:
            waiting += members
        else:
            waiting += [member for member in members if member.__class__ not in _LEAVES]
        del members
