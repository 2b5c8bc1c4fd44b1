"""What a translation could not keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Loss", "Losses"]

_MOST = 200
"""Paths that are listed: a client may write as many keys as it likes."""
_INDEX = re.compile(r"\[\d+\]")


@dataclass(slots=True, frozen=True)
class Loss:
    kind: Literal["dropped", "clamped", "converted"]
    """`dropped`: gone. `clamped`: a number brought into range. `converted`: said another way, no meaning lost."""
    path: str
    """The field by its name in the canonical types, whatever the two APIs call it, indices folded:
    `messages[*].content[*].cache`, `reasoning.effort`. A field that only the sender has goes by its own name."""
    side: Literal["request", "response"] = "request"
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.path}" + (f" ({self.detail})" if self.detail else "")


class Losses:
    """Collects losses of one direction; each (kind, path) once."""

    __slots__ = ("_items", "_side")

    def __init__(self, side: Literal["request", "response"] = "request") -> None:
        self._side: Literal["request", "response"] = side
        self._items: dict[tuple[str, str], Loss] = {}

    def dropped(self, path: str, detail: str = "") -> None:
        self._add("dropped", path, detail)

    def clamped(self, path: str, detail: str = "") -> None:
        self._add("clamped", path, detail)

    def converted(self, path: str, detail: str = "") -> None:
        self._add("converted", path, detail)

    def _add(self, kind: Literal["dropped", "clamped", "converted"], path: str, detail: str) -> None:
        if "[" in path:
            path = _INDEX.sub("[*]", path)
        if (kind, path) in self._items:
            return
        if len(self._items) >= _MOST:
            path, detail = "*", "more fields than are listed"
        self._items.setdefault((kind, path), Loss(kind, path, self._side, detail))

    def __iter__(self) -> Iterator[Loss]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)
