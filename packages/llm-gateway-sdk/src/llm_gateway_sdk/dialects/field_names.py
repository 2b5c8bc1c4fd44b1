"""What an API calls the fields of a request or a reply: losses and errors name them as their sender wrote them.

Encoders name a field by its canonical path (`reasoning.budget_tokens`), since they do not know who sent the request. A
client of Gemini knows no such field; it wrote `generationConfig.thinkingConfig.thinkingBudget`. Each dialect has a
table from canonical paths to its own (`Dialect.field_names`), and what is reported goes through the table of the
client's dialect; for what a reply loses there is a second table (`Dialect.reply_field_names`), that of the provider's
dialect. A path that the table does not have is named by the longest part of it that the table has, and the rest as it
is; so a row for `messages[*].content[*]` holds for every field of a part.

Some fields can be written in several ways (`max_tokens`, `max_completion_tokens`). Such a row lists them all, and the
first whose names all occur in the body is taken, by a search of its bytes: that costs less than to read it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..wire.pieces import PIECE_BYTES, has_any

__all__ = ["FieldNames"]

_ALIASES = {"messages[*].results[*].content[*]": "messages[*].content[*].content[*]"}
"""Other paths of the same parts."""
_INDEX = re.compile(r"\[\d+\]")
_WORD = re.compile(r"\w+")


class FieldNames:
    """A dialect's own path of each canonical path, indices folded (`messages[*].name`).

    `parts` are its paths of the parts of a conversation: `system.content[*]` for leading system text,
    `messages[*].content[*]` for contents of messages, `messages[*].calls[*]`, `messages[*].results[*]` and their
    `content[*]`, `messages[*].thoughts[*]`, `messages[*].media[*]`. `leaves` are its names of the fields of any part.
    `numbered`: its messages and their parts have the numbers of the canonical ones.
    """

    __slots__ = ("_numbered", "_rows")

    def __init__(
        self,
        rows: Mapping[str, str | tuple[str, ...]] | None = None,
        *,
        parts: Mapping[str, str] | None = None,
        leaves: Mapping[str, str | tuple[str, ...]] | None = None,
        numbered: bool = False,
    ) -> None:
        self._numbered = numbered
        self._rows: dict[str, tuple[tuple[str, tuple[bytes, ...]], ...]] = {}
        for path, own in (*_part_rows(parts or {}, leaves or {}), *(rows or {}).items()):
            names = (own,) if isinstance(own, str) else own
            self._rows[path] = tuple((name, _words(name)) for name in names)

    def spell(self, path: str, body: bytes = b"") -> str:
        """The client's name of the field at `path`; the path itself where there is no row for it or what holds it."""
        if not self._rows:
            return path
        folded = _INDEX.sub("[*]", path) if "[" in path else path
        head = folded
        while head:
            row = self._rows.get(head)
            if row is not None:
                own = _written(row, body)
                if own == head and self._numbered:
                    return path
                return (own + folded[len(head) :]).removeprefix(".")
            head = head[: max(head.rfind("."), head.rfind("["))] if "." in head or "[" in head else ""
        return path


def _part_rows(
    parts: Mapping[str, str], leaves: Mapping[str, str | tuple[str, ...]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for path, own in parts.items():
        for alias in (path, _ALIASES.get(path, path)):
            yield alias, (own,)
            for leaf, name in leaves.items():
                names = (name,) if isinstance(name, str) else name
                yield f"{alias}.{leaf}", tuple(f"{own}.{each}" for each in names)


def _words(name: str) -> tuple[bytes, ...]:
    return tuple(f'"{word}"'.encode() for word in _WORD.findall(name))


def _written(row: tuple[tuple[str, tuple[bytes, ...]], ...], body: bytes) -> str:
    if len(row) > 1:
        if len(body) > 2 * PIECE_BYTES:
            # Losses are named on the event loop. What has two names is mostly a parameter, next to one long value.
            body = body[:PIECE_BYTES] + body[-PIECE_BYTES:]
        for name, words in row:
            if all(has_any(body, word) for word in words):
                return name
    return row[0][0]
