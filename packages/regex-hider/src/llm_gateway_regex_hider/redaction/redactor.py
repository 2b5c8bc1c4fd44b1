"""Redaction of text that arrives in pieces: what comes out is the redaction of the whole, wherever it was cut.

No I/O, no clock but the one that bounds the engine. Text is held only from the first place on where a match may still
begin or grow; the automaton knows that place, and the `regex` engine is asked only where it saw a match end.

The buffer is the text that is not given out yet, after a few characters of context:

    context | done, given out | held: a match may begin or grow here | not read yet
            0               _done                                  _at

The states:

    idle ── a character that may begin a match ──▶ reading ── all threads end ──▶ idle
                                                     │  a match has ended
                                                     ├──▶ candidate: a longer or a preferred one may still come
                                                     │        └── it can't any more ──▶ the engine decides ──▶ idle
                                                     └── more than `max_size` characters ──▶ masking ──▶ idle

`idle`       No thread of the automaton is alive. Pieces in which nothing can begin go out without being read.
`reading`    `_starts` has, for each thread, where its match would begin; the first of them bounds what may go out.
`candidate`  `_candidate` and its end are known; the text is held until no other match can take its place.
`masking`    A possible match is larger than the bound. What has to be hidden is replaced although no match is
             proven, until every thread that was alive has ended.

What always holds:

- The sum of what is given out is the redaction of the whole text, wherever it was cut (test_whole_texts.py).
- Nothing before `_done` changes any more, and nothing from `_starts[0]` on has gone out.
- No more than `max_size` characters and a run of white space are held.
- Work is charged to `Budget`. Where that is spent, or the engine takes too long, the rest is masked or refused.
"""

from __future__ import annotations

import copy
from operator import length_hint

from llm_gateway_sdk.wire.pieces import PIECE_BYTES

from ..engine.automaton import FREE_WORK, Passage, State
from ..engine.openings import Starts
from ..patterns import CompiledRule, RuleSet
from .bounds import DEFAULT_MAX_SIZE, Budget, Exhausted, Findings, LimitExceeded, OnLimit, Span
from .masking import Mask
from .matching import MOST_SPANS, UNCHARGED, fold, joined, kept, replaced, timed_match

__all__ = ["StreamRedactor"]


_WINDOW = 4096
_SKIP_WINDOW = 48
_KEPT = 64  # characters that are done and stay in the buffer, so that it need not be cut for every piece
_SPACE = 32  # most characters of white space that are held for the sake of the text after them


class StreamRedactor:
    """One text in pieces. `push` gives what is safe by now, `close` the rest.

    At most `max_size` characters are held (None: without bound, for a text that is known to end). A candidate that
    grows longer is masked from its beginning for as long as it could go on, or refused with LimitExceeded.
    """

    __slots__ = (
        "_at",
        "_beginnings",
        "_budget",
        "_buffer",
        "_candidate",
        "_candidate_end",
        "_candidate_rules",
        "_done",
        "_folded",
        "_gave_up",
        "_mask",
        "_max_size",
        "_on_limit",
        "_rules",
        "_skip_from",
        "_spans",
        "_starts",
        "_state",
        "_window",
        "findings",
    )

    def __init__(
        self,
        rules: RuleSet,
        *,
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_limit: OnLimit = "mask",
        findings: Findings | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._rules = rules
        self._max_size = max_size
        self._on_limit: OnLimit = on_limit
        self.findings = findings if findings is not None else Findings()
        self._budget = budget if budget is not None else Budget()
        self._buffer = ""  # some context, then the text that is held
        self._done = 0  # up to here the buffer has been given out
        self._at = 0  # up to here the automaton has read it
        self._state: State = rules.automaton.idle("")
        self._starts: list[int] = []  # where the automaton's groups of threads began; what is beyond them is stale
        self._candidate = -1  # the first place at which a match may begin that the automaton has seen end
        self._candidate_end = -1
        self._candidate_rules = 0  # which rules it saw, as bits
        self._mask: Mask | None = None  # what is read is part of something too long to be held
        self._gave_up = False
        self._beginnings: Starts | None = None  # of a whole text, where matches can begin
        self._spans: list[Span] = []
        self._folded = -1  # how many of them were put together; -1 where it matters which were replaced
        self._window = _SKIP_WINDOW  # how much is read before the next look for a place to skip to
        self._skip_from = 0  # of a whole text, where that look is worth while again

    @property
    def is_holding(self) -> bool:
        return self._done < len(self._buffer)

    @property
    def may_go_on(self) -> bool:
        """A match has begun that more text may complete."""
        is_alive = self._state.threads if self._mask is None else self._mask.is_alive
        return bool(is_alive) and not self._gave_up

    @property
    def held(self) -> int:
        """Characters that are held."""
        return len(self._buffer) - self._done

    def fork(self, findings: Findings) -> StreamRedactor:
        """Another one that has read the same; neither changes the other, but both draw on one budget."""
        other = copy.copy(self)
        other.findings = findings
        other._starts, other._spans = list(self._starts), []
        other._mask = self._mask.fork() if self._mask is not None else None
        return other

    def push(self, text: str) -> str:
        state = self._state
        passage = state.passages.get(text)
        if passage is not None and self._is_plain(text):
            return self._pass(text, passage)
        self._advance(text, final=False)
        self._rules.automaton.remember(state, text)
        spans = self._spans
        if not spans:
            return ""
        self._spans = []
        return joined(spans)

    def _is_plain(self, text: str) -> bool:
        """Whether nothing is under way but threads of the automaton, nor will be."""
        if self._candidate >= 0 or self._mask is not None or self._gave_up:
            return False
        return self._max_size is None or len(self._buffer) + len(text) - self._done <= self._max_size

    def _pass(self, text: str, passage: Passage) -> str:
        """Goes to the end of a piece that the automaton knows, and in which no match ends."""
        at = self._at
        buffer = self._buffer = self._buffer + text
        self._state, begun = passage
        old = self._starts
        starts = self._starts = [old[number] if number >= 0 else at + ~number for number in begun]
        self._at = safe = len(buffer)
        self._budget.microseconds += len(text) * self._budget.per_character
        done = self._done
        if starts:
            safe = starts[0]
            if safe > done and buffer[safe - 1].isspace():
                safe -= 1
                if safe > done and buffer[safe - 1].isspace():
                    safe = self._before_space(safe)
        if safe <= done:
            return ""
        self._done = safe
        if safe > self._rules.context + _KEPT:
            self._drop(safe - self._rules.context)
        return buffer[done:safe]

    def close(self) -> str:
        """The rest of the text. The redactor can be used for another text afterwards."""
        return joined(self.finish())

    def feed(self, text: str) -> list[Span]:
        """As `push`, but reports what was replaced."""
        self._advance(text, final=False)
        spans, self._spans = self._spans, []
        return spans

    def finish(self) -> list[Span]:
        """As `close`, but reports what was replaced."""
        self._advance("", final=True)
        spans, self._spans = self._spans, []
        self._buffer, self._done, self._at = "", 0, 0
        self._state, self._starts = self._rules.automaton.idle(""), []
        self._forget_candidate()
        self._mask = None
        return spans

    def finish_whole(
        self, text: str, at: int, starts: Starts | None, spans: list[Span], *, folds: bool = False
    ) -> list[Span]:
        """As `feed` and `finish` of a whole text whose beginning up to `at` is done, of which `spans` are. `starts` has
        the places where the matches in the rest can begin, if it is known. `folds`: which spans were replaced does not
        matter, only what they are together."""
        self._buffer, self._beginnings, self._spans = text, starts, spans
        self._done = self._at = at
        self._state = self._idle()
        if folds:
            self._folded = len(spans)
        self._advance("", final=True, added=len(text) - at)
        return self._spans

    def _advance(self, text: str, *, final: bool, added: int = 0) -> None:
        """`added`: characters that are in the buffer already, but have not been read."""
        if self._gave_up:
            if text:
                self._spans.append((text, ""))
            return
        if not final and not self._state.threads and self._rules.is_selective and self._passes(text):
            self._spans.append((text, None))
            return
        self._buffer += text
        automaton, budget = self._rules.automaton, self._budget
        work = automaton.work if automaton.work > FREE_WORK else FREE_WORK
        budget.microseconds += (len(text) + added) * budget.per_character
        try:
            if final or len(text) > _SKIP_WINDOW or self._mask is not None or self._may_exceed:
                self._read(final=final)
            else:
                # There is nothing to skip in a short piece, and it is all read.
                length = len(self._buffer)
                while self._at < length:
                    self._scan(length)
            if automaton.work > work:
                budget.spend(automaton.work - work)
        except (Exhausted, TimeoutError):
            self._give_up()
            return
        mask = self._mask
        if mask is not None:
            safe = mask.hidden_until
        elif self._state.threads:
            safe = self._starts[0]
            if safe > self._done and self._buffer[safe - 1].isspace():
                safe = self._before_space(safe)
        else:
            safe = self._at
        if safe > self._done:
            if mask is None and safe - self._done > PIECE_BYTES:
                self._keep_until(safe)
            else:
                self._spans.append((self._buffer[self._done : safe], None if mask is None else ""))
                self._done = safe
        if not added and self._done > self._rules.context + _KEPT:
            self._drop(self._done - self._rules.context)

    def _passes(self, text: str) -> bool:
        """Whether nothing is under way and nothing begins in the piece, so that it goes out without being read."""
        rules = self._rules
        if self._state.threads or self._mask is not None or not text:
            return False
        if not rules.is_selective or rules.first.search(text) is not None:
            return False
        self._budget.microseconds += len(text) * self._budget.per_character
        self._buffer = (self._buffer + text)[-rules.context :]
        self._done = self._at = len(self._buffer)
        self._state = self._idle()
        return True

    @property
    def _may_exceed(self) -> bool:
        """Whether what is held could be more than the bound."""
        return self._max_size is not None and len(self._buffer) - self._done > self._max_size

    def _before_space(self, safe: int) -> int:
        """White space goes out with the text that follows it, as a provider's tokens have it."""
        least = max(self._done, safe - _SPACE)
        if self._max_size is not None:
            least = max(least, len(self._buffer) - self._max_size)
        while safe > least and self._buffer[safe - 1].isspace():
            safe -= 1
        return safe

    def _drop(self, length: int) -> None:
        self._buffer = self._buffer[length:]
        self._done -= length
        self._at -= length
        self._candidate = max(self._candidate - length, -1)
        self._candidate_end -= length
        self._starts = [start - length for start in self._starts]
        if self._mask is not None:
            self._mask.shift(length)

    def _read(self, *, final: bool) -> None:
        length = len(self._buffer)
        max_size = self._max_size
        while True:
            while self._at < length:
                if self._mask is not None:
                    self._hide(self._mask, length)
                    continue
                end = min(length, self._at + _WINDOW)
                if not self._state.threads:
                    if self._at < self._skip_from:
                        end = min(length, self._skip_from)
                    elif self._beginnings is not None:
                        end = self._skip_to(self._beginnings.after(self._at), length)
                    elif self._rules.is_selective and length - self._at > _SKIP_WINDOW:
                        end = self._skip(length)
                    if max_size is not None:
                        end = min(end, self._at + max_size + 1)
                elif max_size is not None:
                    end = min(end, self._starts[0] + max_size + 1)
                self._scan(end)
                if self._folded >= 0 and len(self._spans) > self._folded + MOST_SPANS:
                    self._folded = fold(self._spans, self._folded)
                if max_size is not None and self._state.threads and self._at - self._starts[0] > max_size:
                    self._exceed()
            if not final:
                return
            if self._mask is not None:
                end_of_match = self._mask.end_of_match(length)
                if end_of_match is None:
                    return
                self._unmask(end_of_match)
            elif self._state.threads:
                hit, patterns = self._rules.automaton.hit_at_end(self._state)
                if hit >= 0:
                    self._candidate_rules |= patterns
                    self._note_candidate(self._starts[hit], length)
                self._state, self._starts = self._idle(), []
                if self._candidate >= 0:
                    self._settle()
            if self._at >= length:
                return

    def _idle(self) -> State:
        return self._rules.automaton.idle(self._buffer[self._at - 1 : self._at])

    def _skip(self, length: int) -> int:
        """Goes to the next place where a match can begin; how far to read from there."""
        found = self._rules.first.search(self._buffer, self._at)
        return self._skip_to(found.start() if found else -1, length)

    def _skip_to(self, to: int, length: int) -> int:
        if to < 0:
            to = length
        if to - self._at >= _SKIP_WINDOW:
            self._window = _SKIP_WINDOW
        elif self._beginnings is not None:
            # Where little can be skipped, looking for it is not worth while as often.
            self._window = min(2 * self._window, _WINDOW)
            self._skip_from = to + self._window
        if to > self._at:
            self._at = to
            self._state = self._idle()
        return min(length, to + self._window)

    def _scan(self, end: int) -> None:
        """Reads up to `end`, or to where a match was replaced."""
        state = self._state
        characters = iter(self._buffer[self._at : end])
        for character in characters:
            state = state[character]
            if (act := state.act) is None:
                continue
            at = end - length_hint(characters)
            state = act.target
            starts, count = self._starts, act.groups
            self._candidate_rules |= act.patterns
            if act.hit_before >= 0:
                self._note_candidate(starts[act.hit_before] if act.hit_before < count else at - 1, at - 1)
            if act.hit_after >= 0:
                self._note_candidate(starts[act.hit_after] if act.hit_after < count else at - 1, at)
            self._starts = starts = [starts[old] if old < count else at - 1 for old in act.survivors]
            if self._candidate >= 0 and not (starts and starts[0] <= self._candidate):
                self._state, self._at = state, at
                if self._settle():
                    return
                state = self._state
        self._state, self._at = state, end

    def _note_candidate(self, start: int, end: int) -> None:
        if self._candidate < 0 or start < self._candidate:
            self._candidate = start
        if end > self._candidate_end:
            self._candidate_end = end

    def _settle(self) -> bool:
        """Asks the engine at every place that is decided by now; whether a match was replaced.

        A thread that the automaton gave up for an earlier one in the same place began after that one, and ends where
        it ends: so every match begins between the candidate and its end.
        """
        decided = self._starts[0] if self._state.threads else self._at
        rules = self._rules.chosen(self._candidate_rules)
        for start in range(self._candidate, min(self._candidate_end, decided)):
            if self._replace_at(start, rules):
                return True
        if self._candidate_end > decided:
            self._candidate = max(self._candidate, decided)
        else:
            self._forget_candidate()
            self._state = self._rules.automaton.settled(self._state)
        return False

    def _forget_candidate(self) -> None:
        self._candidate = self._candidate_end = -1
        self._candidate_rules = 0

    def _replace_at(self, start: int, rules: list[CompiledRule]) -> bool:
        for rule in rules:
            match, spent = timed_match(rule, self._buffer, start, max(self._budget.microseconds, 1.0) / 1e6)
            if spent > UNCHARGED:
                self._budget.spend(spent)
            if match is None:
                continue
            self._budget.found(spent)
            replacement = replaced(rule, match, self.findings)
            end = match.end()
            self._keep_until(start)
            self._spans.append(replacement)
            read_again = self._at - end
            self._done = self._at = end
            self._state, self._starts = self._idle(), []
            self._forget_candidate()
            self._budget.spend(read_again * 0.3)
            return True
        return False

    def _keep_until(self, end: int) -> None:
        if end > self._done:
            self._spans += kept(self._buffer, self._done, end)
            self._done = end

    def _exceed(self) -> None:
        """Hides what has been held for too long, and goes on hiding while any of it could be part of a match."""
        if self._on_limit == "refuse":
            raise LimitExceeded(f"text that could become a match is longer than {self._max_size} characters")
        start, end = self._starts[0], self._at
        self._keep_until(start)
        self.findings.masked += 1
        self._forget_candidate()
        mask = self._mask = Mask(self._rules, self._buffer, start)
        mask.read_until(self._buffer, end)
        self._starts = []
        self._done = mask.hidden_until
        self._spans.append((self._buffer[start : self._done], self._rules.mask))

    def _hide(self, mask: Mask, length: int) -> None:
        judged_from = mask.go_on(self._buffer, length, self._max_size or 0)
        self._at = mask.at
        if judged_from is not None:
            self._unmask(judged_from)

    def _unmask(self, at: int) -> None:
        self._at = max(at, self._done)
        if self._at > self._done:
            self._spans.append((self._buffer[self._done : self._at], ""))
            self._done = self._at
        self._mask = None
        self._state, self._starts = self._idle(), []

    def _undecided(self) -> int:
        """The first place at which a match may begin for all that is known."""
        first = self._starts[0] if self._state.threads else self._at
        return min(first, self._candidate) if self._candidate >= 0 else first

    def _give_up(self) -> None:
        """The patterns cost too much on this text: hides all that is left of it."""
        if self._on_limit == "refuse":
            raise LimitExceeded("the patterns cost too much on this text")
        if self._mask is None:
            self._keep_until(self._undecided())
            self._spans.append((self._rest(), self._rules.mask))
            self.findings.masked += 1
        else:
            self._spans.append((self._rest(), ""))
        self._buffer, self._done, self._at = "", 0, 0
        self._gave_up = True

    def _rest(self) -> str:
        """What is hidden at the end; where that is not asked for, it is not copied."""
        return self._buffer[self._done :] if self._folded < 0 else ""
