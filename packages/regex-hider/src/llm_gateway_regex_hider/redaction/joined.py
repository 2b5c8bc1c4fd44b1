"""Texts that come one after the other and that a reader may join: parts of one kind in a message.

Each text is searched by itself, and what begins in one and ends in a later one is hidden, too. How that is done:

When a text ends while a match may still go on (its redactor holds a tail), the redactor is forked. The original ends
the text and gives what it is by itself; that is kept back. The fork reads on in the next text, next to that text's own
redactor. It lives until it knows: either no match that began in an earlier text goes on, and what was kept back is
released as it is; or a match crosses the end, and then its replacement takes the place of its beginning, the rest of
the match is left out, and the fork goes on as the redactor of the text in which the match has ended.

Where a text can't be kept back (a tool call follows, which a client may wait for), the beginning of such a match has
left, and the replacement takes the place of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..patterns import RuleSet
from .bounds import Budget, Findings, OnLimit, Span
from .redactor import StreamRedactor

__all__ = ["JoinedTexts", "Slot"]


@dataclass(slots=True, eq=False)
class Slot:
    """One text of the row."""

    released: str = ""
    """What may go out and has not been taken yet."""
    is_pending: bool = True
    """It is written yet, or what was kept back is still to come."""
    has_changed: bool = False
    """Something was hidden in it; known when it has ended."""
    found: int = 0
    """How much had been found when it began."""
    alone: str = ""
    """What it is by itself, kept back until it is known that no match crosses its ends."""
    joined: str = ""
    """What the fork made of it."""
    is_crossed: bool = False
    """A match crosses one of its ends, so that it is what the fork made of it."""
    is_gone: bool = False
    """It has been let go before it was known whether a match crosses its end."""
    end: int = -1
    """Where it ends in what the fork reads; -1 while it is written."""

    def take(self) -> str:
        text, self.released = self.released, ""
        return text

    def settle(self) -> None:
        if self.is_gone:
            return
        self.released += self.joined if self.is_crossed else self.alone
        self.alone = self.joined = ""


class JoinedTexts:
    """`push` adds to the text that is written, `end` ends it, `close` ends all. What may go out is in the slots."""

    def __init__(
        self, rules: RuleSet, *, max_size: int | None, on_limit: OnLimit, findings: Findings, budget: Budget
    ) -> None:
        self._rules = rules
        self._max_size = max_size
        self._on_limit: OnLimit = on_limit
        self._findings = findings
        self._budget = budget
        self._own = self._redactor(findings)
        self._fork: StreamRedactor | None = None
        self._fed = 0  # characters that the fork has got, and of those how many it has given out
        self._given = 0
        self._slots: list[Slot] = []  # what is kept back, in order; the last may be the text that is written
        self.open: Slot | None = None

    @property
    def is_holding(self) -> bool:
        return self._fork is not None or self._own.is_holding

    def push(self, text: str) -> Slot:
        """The slot of the text that is written."""
        slot = self.open
        if slot is None:
            slot = self.open = Slot(found=self._findings.total)
            if self._fork is not None:
                self._slots.append(slot)
        if self._fork is None:
            slot.released += self._own.push(text)
        else:
            slot.alone += self._own.push(text)
            self._fed += len(text)
            self._follow(self._fork.feed(text))
        return slot

    @property
    def is_alone(self) -> bool:
        """One text is written, and nothing is kept back of it or of others."""
        return self.open is not None and not self.open.released and self._fork is None

    def push_alone(self, text: str) -> str:
        """As `push` and `take`, where the row is alone."""
        return self._own.push(text)

    def end(self) -> None:
        slot, self.open = self.open, None
        if slot is None:
            return
        if self._fork is None and self._own.may_go_on:
            self._fork = self._own.fork(Findings())
            self._fed, self._given = self._own.held, 0
            self._slots = [slot]
        slot.alone += self._own.close()
        slot.has_changed = slot.has_changed or self._findings.total != slot.found
        slot.end = self._fed
        if self._fork is None:
            self._let_go(slot)
        else:
            self._release()

    def let_go(self) -> None:
        """Ends the text that is written and keeps nothing back, because what follows can't wait. A match that crosses
        its end is hidden as far as it is in later texts."""
        self.end()
        for slot in self._slots:
            slot.settle()
            slot.is_gone, slot.is_pending = True, False

    def close(self) -> None:
        self.end()
        if self._fork is not None:
            self._follow(self._fork.finish())
            self._drop_fork()

    def _follow(self, spans: list[Span]) -> None:
        """Gives each text its share of what the fork gives out."""
        for number, (piece, replacement) in enumerate(spans):
            begin, self._given = self._given, self._given + len(piece)
            # A replacement of nothing has a place, too: the sign that what is left of the text is hidden.
            touched = self._touched(begin, self._given) or [(self._at(begin), 0, 0)]
            if replacement is None:
                for slot, start, end in touched:
                    slot.joined += piece[start:end]
                continue
            first = next((slot for slot, _, _ in touched if not slot.is_gone), touched[-1][0])
            first.joined += replacement
            if len(touched) > 1:
                for slot, _, _ in touched:
                    slot.is_crossed = slot.has_changed = True
                if touched[-1][0] is self.open:
                    self._take_over(spans[number + 1 :])
                    return
        self._release()

    def _touched(self, begin: int, end: int) -> list[tuple[Slot, int, int]]:
        """The texts in which that stretch is, each with its share of it."""
        touched = []
        start = begin
        for slot in self._slots:
            until = min(end, slot.end) if slot.end >= 0 else end
            if until > start:
                touched.append((slot, start - begin, until - begin))
                start = until
        return touched

    def _at(self, place: int) -> Slot:
        """The first text that has not ended before a place in what the fork gives out."""
        return next((slot for slot in self._slots if slot.end < 0 or slot.end >= place), self._slots[-1])

    def _take_over(self, rest: list[Span]) -> None:
        """A match has ended in the text that is written: the fork goes on as its redactor."""
        fork, slot = self._fork, self.open
        assert fork is not None
        assert slot is not None
        for index, count in fork.findings.matches.items():
            self._findings.add(index, count)
        self._findings.masked += fork.findings.masked
        self._own = fork.fork(self._findings)
        slot.joined += _text(rest)
        self._fork = None
        self._drop_fork()
        slot.is_crossed = False

    def _release(self) -> None:
        """Lets go of the texts that no match can cross any more."""
        while self._slots and 0 <= self._slots[0].end <= self._given:
            self._let_go(self._slots.pop(0))
        if not any(slot.end >= 0 for slot in self._slots):
            self._drop_fork()

    def _drop_fork(self) -> None:
        self._fork = None
        for slot in self._slots:
            slot.settle()
            slot.is_pending = slot is self.open
            slot.end = -1
        self._slots = []

    def _let_go(self, slot: Slot) -> None:
        slot.settle()
        slot.is_pending = False

    def _redactor(self, findings: Findings) -> StreamRedactor:
        return StreamRedactor(
            self._rules, max_size=self._max_size, on_limit=self._on_limit, findings=findings, budget=self._budget
        )


def _text(spans: list[Span]) -> str:
    return "".join([piece if replacement is None else replacement for piece, replacement in spans])
