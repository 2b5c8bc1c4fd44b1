"""Log probabilities of a streamed reply, which spell its text out once more, token by token.

They go out with the text that they spell, or not at all where it was changed. Their tokens are searched as a text of
their own, too: a provider may send them in other chunks than the text, or without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .bounds import Findings
from .redactor import StreamRedactor

__all__ = ["StreamedLogprobs", "tokens_of"]


class StreamedLogprobs:
    """Of one choice. `push` keeps log probabilities back; `take` gives those that may go out by now."""

    def __init__(self, make: Callable[[Findings], StreamRedactor]) -> None:
        self._make = make
        self._texts: dict[str, StreamRedactor] = {}
        self._held: list[dict[str, Any]] = []
        self._changes = 0
        self._latest = Findings()
        self.findings = Findings()
        """What tokens spelled that is to be hidden, where no text had it, too."""

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def is_holding(self) -> bool:
        """A match may have begun in the tokens."""
        return any(text.is_holding for text in self._texts.values())

    def push(self, logprobs: dict[str, Any]) -> None:
        self._held.append(logprobs)
        for name, tokens in tokens_of(logprobs):
            text = self._texts.get(name)
            if text is None:
                text = self._texts[name] = self._make(self._latest)
            text.push(tokens)

    def end(self) -> None:
        """No more tokens come."""
        for text in self._texts.values():
            text.close()
        self._texts.clear()

    def take(self, changes: int) -> dict[str, Any] | None:
        """What was kept back, joined; None where text or tokens of it were hidden, which `changes`, the number of
        changes in all texts of the reply so far, shows."""
        held, self._held = self._held, []
        has_changed, self._changes = changes != self._changes, changes
        is_spelled = self._latest.total > 0
        if is_spelled and not has_changed:
            self._count()
        self._latest.matches.clear()
        self._latest.masked = 0
        if has_changed or is_spelled:
            return None
        return held[0] if len(held) == 1 else _joined(held)

    def _count(self) -> None:
        for rule, count in self._latest.matches.items():
            self.findings.add(rule, count)
        self.findings.masked += self._latest.masked
        self._changes += self._latest.total


def tokens_of(logprobs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name of the list, the text that its tokens spell)"""
    for name, entries in logprobs.items():
        tokens = [entry.get("token") for entry in entries or () if isinstance(entry, dict)]
        yield name, "".join([token for token in tokens if isinstance(token, str)])


def _joined(several: list[dict[str, Any]]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for one in several:
        for name, value in one.items():
            old = joined.get(name)
            joined[name] = [*old, *value] if isinstance(old, list) and isinstance(value, list) else value
    return joined
