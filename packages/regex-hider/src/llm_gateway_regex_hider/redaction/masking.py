"""Text that is hidden although no match in it is proven: a possible one is longer than what may be held.

It can't be searched later, since it is gone by then. So the automaton goes on reading, and notes where each match that
began in hidden text would end. Hiding goes on until the leftmost of them is decided, or until nothing that began in
hidden text goes on.
"""

from __future__ import annotations

import copy

from ..engine.automaton import State
from ..patterns import RuleSet
from .bounds import Exhausted

__all__ = ["Mask"]


class Mask:
    """Positions are those of the redactor's buffer. `at` is up to where it has read."""

    __slots__ = ("_ends", "_hit", "_rules", "_starts", "_state", "at")

    def __init__(self, rules: RuleSet, buffer: str, start: int) -> None:
        self._rules = rules
        self._state: State = rules.hiding.idle(buffer[start - 1 : start] if start else "")
        self._starts: list[int] = []
        self._ends: dict[int, int] = {}  # of matches that began in hidden text, where they would end
        self._hit = -1  # where something that began in hidden text may last have matched
        self.at = start

    @property
    def is_alive(self) -> bool:
        """A match may go on in the text to come."""
        return bool(self._state.threads)

    @property
    def hidden_until(self) -> int:
        """Up to where the text is hidden for good; a match that is tentative yet may end before what was read."""
        return min(self._ends.values(), default=self.at)

    def fork(self) -> Mask:
        other = copy.copy(self)
        other._starts, other._ends = list(self._starts), dict(self._ends)
        return other

    def shift(self, length: int) -> None:
        """So many characters were taken from the beginning of the buffer."""
        self.at -= length
        self._hit -= length
        self._starts = [start - length for start in self._starts]
        self._ends = {start - length: end - length for start, end in self._ends.items()}

    def read_until(self, buffer: str, end: int) -> None:
        while self.at < end:
            self._step(buffer)

    def go_on(self, buffer: str, length: int, max_size: int) -> int | None:
        """Reads up to `length`. The place from which on the text is to be judged afresh; None where hiding goes on.
        Raises Exhausted where more than `max_size` characters can be neither hidden nor shown."""
        while self.at < length:
            at = self.at
            self._step(buffer)
            oldest = self._starts[0] if self._state.threads else self.at
            ended = min(self._ends, default=oldest)
            if ended < oldest:
                # The leftmost match is decided, and what follows it is searched as if nothing had been hidden.
                return self._ends[ended]
            if oldest >= at and self._hit == self.at:
                if not self._state.threads:
                    return self.at
            elif oldest >= at:
                # Nothing that began in hidden text goes on: this character is the first to be judged afresh.
                return at
            if self.at - self.hidden_until > max_size:
                raise Exhausted
        return None

    def end_of_match(self, length: int) -> int | None:
        """Where the leftmost match ends, once the text has ended at `length`; None where there is none."""
        hit = self._rules.hiding.hit_at_end(self._state)[0] if self._rules.is_exact else -1
        if hit >= 0:
            self._ends[self._starts[hit]] = length
        return self._ends[min(self._ends)] if self._ends else None

    def _step(self, buffer: str) -> None:
        state = self._state[buffer[self.at]]
        self.at += 1
        act = state.act
        if act is not None:
            starts, count, at = self._starts, act.groups, self.at
            if self._rules.is_exact:
                if act.hit_before >= 0:
                    self._ends[starts[act.hit_before] if act.hit_before < count else at - 1] = at - 1
                if act.hit_after >= 0:
                    self._ends[starts[act.hit_after] if act.hit_after < count else at - 1] = at
            elif 0 <= act.hit_after < count:
                self._hit = at
            self._starts = [starts[old] if old < count else at - 1 for old in act.survivors]
            state = self._rules.hiding.settled(act.target)
        self._state = state
