"""Patterns compiled twice: into text for the `regex` engine, which finds matches, and into instructions for the
automaton of automaton.py, which knows from where text may still become a match.

The instructions may accept more than the pattern (look-arounds and references are widened), never less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import charsets
from .charsets import CharSet
from .syntax import (
    Alternatives,
    Backreference,
    Boundary,
    Chars,
    Concat,
    Edge,
    Group,
    Look,
    Node,
    Pattern,
    PatternSyntaxError,
    Repeat,
    width,
)

MAX_INSTRUCTIONS = 20_000


@dataclass(frozen=True, slots=True)
class Char:
    chars: CharSet
    next: int


@dataclass(frozen=True, slots=True)
class Split:
    """Goes on at every place named, the first preferred."""

    nexts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Assertion:
    """A condition on the character before and the character after; each is None at the edge of the text.

    `kind` is one of: `boundary`, `before` (one of `chars`, or the beginning when `edge`), `after` (likewise), or
    `wait`, which holds as soon as it is known what follows.
    """

    kind: str
    negated: bool = False
    chars: CharSet = ()
    edge: bool = False

    @property
    def needs_next(self) -> bool:
        return self.kind != "before"


@dataclass(frozen=True, slots=True)
class Assert:
    assertion: Assertion
    next: int


@dataclass(frozen=True, slots=True)
class Match:
    pattern: int
    exact: bool
    """Whether arriving here proves a match that nothing of lower priority can change."""


@dataclass(frozen=True, slots=True)
class Die:
    pass


Instruction = Char | Split | Assert | Match | Die


@dataclass(slots=True)
class Program:
    instructions: list[Instruction] = field(default_factory=list)
    start: int = 0


def compile_program(patterns: Sequence[Pattern]) -> Program:
    """One program that looks for all patterns at once, earlier ones preferred. Raises PatternSyntaxError."""
    program = Program()
    builder = _Builder(program.instructions)
    starts = []
    for number, pattern in enumerate(patterns):
        match = builder.add(Match(number, is_exact(pattern.root)))
        starts.append(builder.build(pattern, match))
    program.start = builder.add(Split(tuple(starts)))
    return program


class _Builder:
    def __init__(self, instructions: list[Instruction]) -> None:
        self._instructions = instructions
        self._groups: dict[int, Node] = {}
        self._referring: tuple[int, ...] = ()
        self._folding = False

    def add(self, instruction: Instruction) -> int:
        if len(self._instructions) >= MAX_INSTRUCTIONS:
            raise PatternSyntaxError("the patterns are too large: their repetitions multiply to too many characters")
        self._instructions.append(instruction)
        return len(self._instructions) - 1

    def build(self, pattern: Pattern, match: int) -> int:
        self._groups = {}
        _collect_groups(pattern.root, self._groups)
        return self._emit(pattern.root, match)

    def _emit(self, node: Node, following: int) -> int:
        """Instructions for the node that go on at `following`; where they begin."""
        match node:
            case Chars(chars):
                return self.add(Char(charsets.fold(chars) if self._folding else chars, following))
            case Concat(items):
                for item in reversed(items):
                    following = self._emit(item, following)
                return following
            case Alternatives(items):
                return self.add(Split(tuple(self._emit(item, following) for item in items)))
            case Group(_, item):
                return self._emit(item, following)
            case Repeat():
                return self._emit_repeat(node, following)
            case Backreference(numbers):
                return self._emit_reference(node, numbers, following)
            case Boundary() | Edge() | Look() if self._referring:
                # A reference repeats the text of the group, not the conditions under which it was found.
                return following
            case Boundary(negated):
                return self.add(Assert(Assertion("boundary", negated), following))
            case Edge():
                return self.add(Assert(_edge_assertion(node), following))
            case Look():
                return self._emit_look(node, following)

    def _emit_repeat(self, node: Repeat, following: int) -> int:
        def choice(body: int, out: int) -> Split:
            return Split((out, body) if node.lazy else (body, out))

        out = following
        if node.high is None:
            loop = self.add(Die())
            self._instructions[loop] = choice(self._emit(node.item, loop), out)
            following = loop
        else:
            for _ in range(node.high - node.low):
                following = self.add(choice(self._emit(node.item, following), out))
        for _ in range(node.low):
            following = self._emit(node.item, following)
        return following

    def _emit_reference(self, node: Backreference, numbers: tuple[int, ...], following: int) -> int:
        # What a group has matched is among what it can match; a group that took no part is empty.
        ways = [following]
        outer, folding = self._referring, self._folding
        for number in numbers:
            if number in self._groups and number not in outer:
                self._referring = (*outer, number)
                self._folding = folding or node.ignore_case
                ways.append(self._emit(self._groups[number], following))
                self._referring, self._folding = outer, folding
        return self.add(Split(tuple(ways)))

    def _emit_look(self, node: Look, following: int) -> int:
        assertion = _look_assertion(node)
        if assertion is not None:
            return self.add(Assert(assertion, following))
        if node.ahead:
            # Undecided as long as the text may still go the way of the look-ahead: a second thread walks it, and dies
            # where it is decided.
            return self.add(Split((following, self._emit(node.item, self.add(Die())))))
        if width(node.item)[1] is None:
            raise PatternSyntaxError("a look-behind of unlimited length is not supported")
        if _contains(node.item, (Look,)):
            raise PatternSyntaxError("a look-around inside a look-behind is not supported")
        if _contains(node.item, (Boundary, Edge)):
            return self.add(Assert(Assertion("wait"), following))
        return following


def is_exact(node: Node) -> bool:
    """Whether the instructions accept exactly what the pattern does, by the same preferences."""
    match node:
        case Concat(items) | Alternatives(items):
            return all(map(is_exact, items))
        case Group(_, item):
            return is_exact(item)
        case Repeat(item, _, high, _):
            # Engines differ in what they prefer when the body of a loop can be empty.
            return is_exact(item) and (high in (0, 1) or width(item)[0] > 0)
        case Backreference():
            return False
        case Look():
            return _look_assertion(node) is not None
        case _:
            return True


def context_width(node: Node) -> int:
    """How many characters left of a match decide it: by a look-behind, `^` or `\\b`."""
    match node:
        case Concat(items) | Alternatives(items):
            return max(map(context_width, items), default=0)
        case Group(_, item) | Repeat(item, _, _, _):
            return context_width(item)
        case Look(ahead, _, item):
            inner = context_width(item)
            return inner if ahead else (width(item)[1] or 0) + max(inner, 1)
        case Boundary() | Edge():
            return 1
        case _:
            return 0


def required(node: Node) -> list[CharSet]:
    """Sets of which every match holds at least one character each."""
    match node:
        case Chars(chars):
            return [chars]
        case Concat(items):
            return [chars for item in items for chars in required(item)]
        case Group(_, item):
            return required(item)
        case Repeat(item, low, _, _):
            return required(item) if low > 0 else []
        case Alternatives(items):
            least = [min(required(item), key=charsets.size, default=None) for item in items]
            known = [chars for chars in least if chars is not None]
            return [charsets.union(*known)] if len(known) == len(least) else []
        case _:
            return []


def render(node: Node) -> str:
    """The pattern for the `regex` engine, compiled with its ASCII flag: every set is spelled out."""
    match node:
        case Chars(chars):
            return charsets.as_class(chars)
        case Concat(items):
            return "".join(map(render, items))
        case Alternatives(items):
            return "(?:" + "|".join(map(render, items)) + ")"
        case Group(_, item):
            return f"({render(item)})"
        case Repeat(item, low, high, lazy):
            bounds = f"{{{low},{'' if high is None else high}}}"
            return f"(?:{render(item)}){bounds}{'?' if lazy else ''}"
        case Backreference(numbers, ignore_case):
            flags = "i" if ignore_case else ""
            return "".join(rf"(?({n})(?{flags}:\g<{n}>)|)" for n in numbers)
        case Boundary(negated):
            return r"\B" if negated else r"\b"
        case Edge(end, lines):
            line_end = charsets.as_class(charsets.LINE_END)
            if end:
                return rf"(?={line_end}|\Z)" if lines else r"\Z"
            return rf"(?:\A|(?<={line_end}))" if lines else r"\A"
        case Look(ahead, negated, item):
            return f"(?{'' if ahead else '<'}{'!' if negated else '='}{render(item)})"


def _edge_assertion(node: Edge) -> Assertion:
    chars = charsets.LINE_END if node.lines else ()
    return Assertion("after" if node.end else "before", chars=chars, edge=True)


def _look_assertion(node: Look) -> Assertion | None:
    """A look-around at one character or the edge, which an automaton decides by itself; None for any other."""
    found = _one_character(node.item, end=node.ahead)
    if found is None:
        return None
    chars, edge = found
    return Assertion("after" if node.ahead else "before", node.negated, chars, edge)


def _one_character(node: Node, *, end: bool) -> tuple[CharSet, bool] | None:
    match node:
        case Chars(chars):
            return chars, False
        case Edge() if node.end == end and not node.lines:
            return (), True
        case Alternatives(items):
            found = [_one_character(item, end=end) for item in items]
            known = [f for f in found if f is not None]
            if len(known) < len(found):
                return None
            return charsets.union(*(chars for chars, _ in known)), any(edge for _, edge in known)
        case _:
            return None


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Concat(items) | Alternatives(items):
            return items
        case Group(_, item) | Repeat(item, _, _, _) | Look(_, _, item):
            return (item,)
        case _:
            return ()


def _contains(node: Node, kinds: tuple[type, ...]) -> bool:
    return isinstance(node, kinds) or any(_contains(child, kinds) for child in _children(node))


def _collect_groups(node: Node, into: dict[int, Node]) -> None:
    if isinstance(node, Group):
        into[node.number] = node.item
    for child in _children(node):
        _collect_groups(child, into)
