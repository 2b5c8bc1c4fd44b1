"""A lazily built automaton that follows all possible matches through a text at once, in linear time.

Its one question is: from which place on may the text still become (part of) a match? It remembers for each thread
where it began. Of two threads in the same place of the program only the one that began earlier is followed: their
futures are the same. So there are never more threads than instructions, whatever the text.

The automaton belongs to the patterns and is shared by all streams; the place of a stream is a State and a list of
beginnings, which the stream keeps. States are built when first met, and forgotten all together when they become many.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from . import charsets
from .charsets import CharSet
from .program import Assert, Assertion, Char, Match, Program, Split

MAX_STATES = 2_000
MAX_EDGES = 100_000
FREE_WORK = 1_000_000
"""Units of building that are not charged to any text: what patterns need once, however many they are."""

MAX_PASSAGES = 10_000
LONGEST_PASSAGE = 24
"""Models write the same few ten thousand pieces again and again."""

Items = tuple[int, ...]
Threads = tuple[Items, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """What a stream has to do on a step: groups are counted as before the step, with a new one last.

    `survivors` are the groups that go on, in their new order; `hit_before` and `hit_after` are the earliest group that
    arrived at a match before or after the character, or -1.
    """

    target: State
    groups: int
    """How many there were before the step."""
    survivors: tuple[int, ...]
    hit_before: int
    hit_after: int
    patterns: int
    """Which patterns arrived at a match, as bits."""


class State(dict[str, "State"]):
    """Where each character leads. Steps that need an act lead to a State that holds only the act."""

    __slots__ = ("_automaton", "_by_class", "act", "context", "passages", "pending", "threads")

    def __init__(
        self, automaton: Automaton, context: int, threads: Threads, *, pending: bool, act: Act | None = None
    ) -> None:
        self._automaton = automaton
        self._by_class: dict[int, State] = {}
        self.passages: dict[str, Passage | None] = {}
        """Where whole pieces of text lead; None where something in them needs a look."""
        self.context = context
        self.threads = threads
        self.pending = pending
        self.act = act

    def __missing__(self, character: str) -> State:
        klass = self._automaton.class_of(character)
        edge = self._by_class.get(klass)
        if edge is None:
            edge = self._by_class[klass] = self._automaton.step(self, klass)
        self._automaton.edges += 1
        self[character] = edge
        return edge


Passage = tuple[State, tuple[int, ...]]
"""The state after a piece of text in which no match was seen to end, and where its threads began: the number of an
earlier thread, or `~place` in the piece."""


class Automaton:
    def __init__(self, program: Program, *, cut: bool = True) -> None:
        """With `cut`, what a proven match makes irrelevant is not followed further."""
        self._program = program
        self._cut = cut
        self._states: dict[tuple[int, Threads, bool], State] = {}
        self.edges = 0
        self.work = 0
        """Units of building done so far, about a microsecond each."""
        self._passages = 0
        self._idle: dict[str, State] = {}
        self._classify()
        self.first = charsets.union(*(chars for chars in self._first_sets()))
        """Every match begins with one of these."""

    def _classify(self) -> None:
        instructions = self._program.instructions
        sets: dict[CharSet, int] = {charsets.WORD: 0}
        for instruction in instructions:
            if isinstance(instruction, Char):
                sets.setdefault(instruction.chars, len(sets))
            elif isinstance(instruction, Assert):
                sets.setdefault(instruction.assertion.chars, len(sets))
        edges: dict[int, list[int]] = {0: []}
        for chars, number in sets.items():
            for low, high in chars:
                edges.setdefault(low, []).append(number)
                edges.setdefault(high + 1, []).append(number)
        self._bounds: list[int] = sorted(edges)
        self._class_at: list[int] = []
        self._members: list[frozenset[int]] = []
        known: dict[frozenset[int], int] = {}
        inside: set[int] = set()
        for bound in self._bounds:
            inside.symmetric_difference_update(edges[bound])
            members = frozenset(inside)
            if members not in known:
                known[members] = len(self._members)
                self._members.append(members)
            self._class_at.append(known[members])
        self._number = sets
        # All that assertions can tell of a neighbouring character; 0 is the edge of the text.
        asserted = {0} | {sets[i.assertion.chars] for i in instructions if isinstance(i, Assert)}
        self._context_of: list[int] = []
        contexts: dict[frozenset[int], int] = {}
        self._context_members: list[frozenset[int] | None] = [None]
        for members in self._members:
            sides = members & asserted
            if sides not in contexts:
                contexts[sides] = len(self._context_members)
                self._context_members.append(sides)
            self._context_of.append(contexts[sides])
        self._char_sets = [self._number[i.chars] if isinstance(i, Char) else -1 for i in instructions]

    def _first_sets(self) -> Iterator[CharSet]:
        seen: set[int] = set()
        todo = [self._program.start]
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            match self._program.instructions[at]:
                case Char(chars, _):
                    yield chars
                case Split(nexts):
                    todo.extend(nexts)
                case Assert(_, following):
                    todo.append(following)

    def class_of(self, character: str) -> int:
        return self._class_at[bisect_right(self._bounds, ord(character)) - 1]

    def idle(self, before: str) -> State:
        """The state in which no match is under way, after the character `before` ("" at the beginning)."""
        state = self._idle.get(before)
        if state is None:
            context = self._context_of[self.class_of(before)] if before else 0
            state = self.state(context, (), pending=False)
            self._idle[before] = state
            self.edges += 1
        return state

    def settled(self, state: State) -> State:
        """The same state without anything pending."""
        return self.state(state.context, state.threads, pending=False)

    def state(self, context: int, threads: Threads, *, pending: bool) -> State:
        key = (context, threads, pending)
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= MAX_STATES or self.edges > MAX_EDGES:
                # Streams go on with the states that they hold, which lead into the new ones.
                self._forget()
            state = self._states[key] = State(self, context, threads, pending=pending)
        return state

    def _forget(self) -> None:
        for state in self._states.values():
            state.clear()
            state._by_class.clear()
            state.passages.clear()
        self._states.clear()
        self._idle.clear()
        self.edges = self._passages = 0

    def step(self, state: State, klass: int) -> State:
        context = self._context_of[klass]
        ready, hit_before, patterns = self._resolve(state, context, new_thread=True)
        members = self._members[klass]
        instructions = self._program.instructions
        seen: set[int] = set()
        survivors: list[int] = []
        threads: list[Items] = []
        hit_after = -1
        for number, group in enumerate(ready):
            items: list[int] = []
            for at in group:
                instruction = instructions[at]
                if isinstance(instruction, Char) and self._char_sets[at] in members:
                    stop, hits = self._close(instruction.next, context, None, seen, items)
                    patterns |= hits
                    if hits and hit_after < 0:
                        hit_after = number
                    if stop:
                        break
            if items:
                survivors.append(number)
                threads.append(tuple(items))
        self.work += 2 + sum(map(len, ready)) + len(seen)
        target = self.state(context, tuple(threads), pending=state.pending or patterns != 0)
        unchanged = survivors == list(range(len(survivors))) and len(survivors) <= len(state.threads)
        if unchanged and not target.pending:
            return target
        act = Act(target, len(state.threads), tuple(survivors), hit_before, hit_after, patterns)
        return State(self, context, (), pending=False, act=act)

    def remember(self, state: State, piece: str) -> None:
        """Notes where a short piece of text, which has just been read from this state, leads from it."""
        if len(piece) > LONGEST_PASSAGE or piece in state.passages:
            return
        if self._passages >= MAX_PASSAGES:
            for each in self._states.values():
                each.passages.clear()
            self._passages = 0
        self._passages += 1
        state.passages[piece] = _passage(state, piece)

    def hit_at_end(self, state: State) -> tuple[int, int]:
        """The earliest group that matches if the text ends here, or -1, and which patterns, as bits."""
        return self._resolve(state, 0, new_thread=False)[1:]

    def _resolve(self, state: State, following: int, *, new_thread: bool) -> tuple[list[list[int]], int, int]:
        """The groups after what follows is known, with one more that begins here, the earliest of them that matched,
        and all patterns that did, as bits."""
        seen: set[int] = set()
        groups: list[list[int]] = []
        hit_before, patterns = -1, 0
        begun: list[Items] = [*state.threads, (self._program.start,)] if new_thread else list(state.threads)
        for number, group in enumerate(begun):
            items: list[int] = []
            for at in group:
                stop, hits = self._close(at, state.context, following, seen, items)
                patterns |= hits
                if hits and hit_before < 0:
                    hit_before = number
                if stop:
                    break
            groups.append(items)
        return groups, hit_before, patterns

    def _close(self, at: int, before: int, after: int | None, seen: set[int], items: list[int]) -> tuple[bool, int]:
        """Appends what is reached without a character; returns whether the rest is cut off, and which patterns matched,
        as bits.

        `after` is None while it is not known what follows: conditions on it wait in the list.
        """
        stack = [at]
        hits = 0
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            match self._program.instructions[at]:
                case Char():
                    items.append(at)
                case Split(nexts):
                    stack.extend(reversed(nexts))
                case Assert(assertion, following):
                    if after is None and assertion.needs_next:
                        items.append(at)
                    elif self._holds(assertion, before, after or 0):
                        stack.append(following)
                case Match(pattern, exact):
                    hits |= 1 << pattern
                    if exact and self._cut:
                        return True, hits
        return False, hits

    def _holds(self, assertion: Assertion, before: int, after: int) -> bool:
        previous, following = self._context_members[before], self._context_members[after]
        match assertion.kind:
            case "wait":
                return True
            case "boundary":
                is_boundary = (previous is not None and 0 in previous) != (following is not None and 0 in following)
                return is_boundary != assertion.negated
            case kind:
                neighbour = previous if kind == "before" else following
                number = self._number[assertion.chars]
                found = assertion.edge if neighbour is None else number in neighbour
                return found != assertion.negated


def _passage(state: State, piece: str) -> Passage | None:
    begun = list(range(len(state.threads)))
    for place, character in enumerate(piece):
        state = state[character]
        act = state.act
        if act is None:
            continue
        if act.hit_before >= 0 or act.hit_after >= 0:
            return None
        state = act.target
        begun = [begun[old] if old < act.groups else ~place for old in act.survivors]
    return state, tuple(begun[: len(state.threads)])
