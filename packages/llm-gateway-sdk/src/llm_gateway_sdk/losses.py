"""What a translation could not keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from .dialects.field_names import FieldNames
from .errors import shortened

__all__ = ["Loss", "Losses"]

_MOST = 200
"""Paths that are listed: a client may write as many keys as it likes."""
_INDEX = re.compile(r"\[\d+\]")


@dataclass(slots=True, frozen=True)
class Loss:
    """Something of a request or reply that a translation could not keep."""

    kind: Literal["dropped", "clamped", "converted"]
    """`dropped`: gone. `clamped`: a number brought into range. `converted`: written in another way, no meaning lost."""
    path: str
    """The field as its sender calls it, indices folded: `messages[*].content[*].cache_control`,
    `generationConfig.topK`. Where the sender's API is not known, by its name in the canonical types."""
    side: Literal["request", "response"] = "request"
    """What it was lost from."""
    detail: str = ""
    """Why, or which element of a list, where that is not plain."""

    def __str__(self) -> str:
        return f"{self.kind} {self.path}" + (f" ({self.detail})" if self.detail else "")


_LONGEST_KNOWN = 100
_LONGEST_PATH, _TOO_LONG = 1000, 1001
"""A slice costs less than a call of `len`."""
_known = lru_cache(maxsize=1024)(Loss)
"""A loss of a short path: replies of one provider lose the same fields again and again."""


class Losses:
    """Collects losses of one direction; each (kind, path) once, with its first detail. Of lists (`tools[*]`) each
    detail is listed, since it names which of the elements is lost.

    Translations name fields by their canonical paths. With the `names` of the sender's dialect (the client's for
    requests, the provider's for replies) they are listed as the sender calls them; `body` is what it sent.
    """

    __slots__ = ("_body", "_details", "_items", "_names", "_side")

    def __init__(
        self, side: Literal["request", "response"] = "request", names: FieldNames | None = None, body: bytes = b""
    ) -> None:
        self._side: Literal["request", "response"] = side
        self._names = names
        self._body = body
        self._items: dict[tuple[str, str, str], Loss] = {}
        self._details: dict[tuple[str, str], str] = {}
        """The first detail of each kind and path."""

    def dropped(self, path: str, detail: str = "") -> None:
        """Lists what is gone."""
        self._add("dropped", path, detail)

    def clamped(self, path: str, detail: str = "") -> None:
        """Lists a number that was brought into the range that the receiver takes."""
        self._add("clamped", path, detail)

    def converted(self, path: str, detail: str = "") -> None:
        """Lists what is written in another way and keeps its meaning."""
        self._add("converted", path, detail)

    def _add(self, kind: Literal["dropped", "clamped", "converted"], path: str, detail: str) -> None:
        if path[_LONGEST_PATH:_TOO_LONG] or detail[_LONGEST_PATH:_TOO_LONG]:
            # A name may be of any length; losses are in headers, logs and spans.
            path, detail = shortened(path, _LONGEST_PATH), shortened(detail, _LONGEST_PATH)
        if self._names is not None:
            path = self._names.spell(path, self._body)
        if "[" in path:
            path = _INDEX.sub("[*]", path)
        first = self._details.get((kind, path))
        if first is not None:
            if not detail or (first and path[-3:] != "[*]") or (kind, path, detail) in self._items:
                return
            if not first:
                del self._items[kind, path, ""]
                self._details[kind, path] = detail
        if len(self._items) >= _MOST:
            path, detail = "*", "more fields than are listed"
        self._details.setdefault((kind, path), detail)
        short = not detail and len(path) < _LONGEST_KNOWN
        self._items[kind, path, detail] = (_known if short else Loss)(kind, path, self._side, detail)

    def __iter__(self) -> Iterator[Loss]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)
