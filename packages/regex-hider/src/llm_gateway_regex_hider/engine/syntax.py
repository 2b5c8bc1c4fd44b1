"""JavaScript's regular expressions, read into a tree. Nothing is matched here.

What is read is the language of `new RegExp(pattern)` with the web's leniencies (a lone `{`, `]` or `}` is itself, `\\-`
is a hyphen), plus `\\u{…}` and `\\p{…}`. A character is a whole code point, never half a surrogate pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import charsets
from .charsets import CharSet

MAX_REPEAT = 10_000


class PatternSyntaxError(ValueError):
    """The pattern is not JavaScript, or asks for what is not supported; the message states what and where."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set; the set already holds what `/i` adds."""

    chars: CharSet


@dataclass(frozen=True, slots=True)
class Concat:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    item: Node
    low: int
    high: int | None
    lazy: bool


@dataclass(frozen=True, slots=True)
class Group:
    number: int
    item: Node


@dataclass(frozen=True, slots=True)
class Backreference:
    numbers: tuple[int, ...]
    ignore_case: bool


@dataclass(frozen=True, slots=True)
class Boundary:
    """`\\b`, or `\\B` when negated."""

    negated: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """`^` or `$`; over lines (`(?m:…)`) or over the text."""

    end: bool
    lines: bool


@dataclass(frozen=True, slots=True)
class Look:
    ahead: bool
    negated: bool
    item: Node


Node = Chars | Concat | Alternatives | Repeat | Group | Backreference | Boundary | Edge | Look


@dataclass(frozen=True, slots=True)
class Pattern:
    root: Node
    groups: int
    """How many capturing groups there are; they are numbered from 1."""
    names: dict[str, tuple[int, ...]] = field(default_factory=dict)


def parse(source: str, *, ignore_case: bool) -> Pattern:
    """Raises PatternSyntaxError."""
    return _Parser(source, ignore_case=ignore_case).parse()


@dataclass(frozen=True, slots=True)
class _Flags:
    i: bool
    m: bool = False
    s: bool = False


class _Parser:
    def __init__(self, source: str, *, ignore_case: bool) -> None:
        self._source = source
        self._at = 0
        self._flags = _Flags(i=ignore_case)
        self._opened = 0
        self._names: dict[str, tuple[int, ...]] = {}
        self._group_count, self._has_names = _count_groups(source)
        self._named_references: list[tuple[str, int]] = []

    def parse(self) -> Pattern:
        root = self._alternatives()
        if self._at < len(self._source):
            raise self._error("unmatched ')'")
        for name, at in self._named_references:
            if name not in self._names:
                raise self._error(f"\\k<{name}> names no group", at)
        return Pattern(self._resolve(root), self._opened, self._names)

    def _error(self, message: str, at: int | None = None) -> PatternSyntaxError:
        return PatternSyntaxError(f"{message}, at character {self._at if at is None else at} of {self._source!r}")

    def _peek(self, length: int = 1) -> str:
        return self._source[self._at : self._at + length]

    def _take(self, text: str) -> bool:
        if self._source.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _alternatives(self) -> Node:
        items = [self._concat()]
        while self._take("|"):
            items.append(self._concat())
        return items[0] if len(items) == 1 else Alternatives(tuple(items))

    def _concat(self) -> Node:
        items: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            items.append(self._term())
        return items[0] if len(items) == 1 else Concat(tuple(items))

    def _term(self) -> Node:
        at = self._at
        atom = self._atom()
        bounds = self._quantifier()
        if bounds is None:
            return atom
        low, high = bounds
        if self._source.startswith(_UNREPEATABLE, at):
            raise self._error("nothing to repeat", at)
        if high is not None and low > high:
            raise self._error("numbers out of order in {} quantifier", at)
        if low > MAX_REPEAT or (high or 0) > MAX_REPEAT:
            raise self._error(f"a repetition of more than {MAX_REPEAT} is not supported", at)
        lazy = self._take("?")
        if self._peek() in ("*", "+") or (self._peek() == "?"):
            raise self._error("nothing to repeat (JavaScript has no possessive quantifiers)")
        return Repeat(atom, low, high, lazy)

    def _quantifier(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        if self._peek() != "{":
            return None
        end = self._source.find("}", self._at)
        inside = self._source[self._at + 1 : end] if end >= 0 else ""
        low, comma, high = inside.partition(",")
        if not (low.isascii() and low.isdigit() and (high == "" or (high.isascii() and high.isdigit()))):
            return None
        self._at = end + 1
        return int(low), int(high) if high else None if comma else int(low)

    def _atom(self) -> Node:
        at = self._at
        c = self._source[at]
        self._at += 1
        match c:
            case "(":
                return self._group(at)
            case "[":
                return self._character_class(at)
            case ".":
                return Chars(charsets.ANY if self._flags.s else charsets.DOT)
            case "^" | "$":
                return Edge(end=c == "$", lines=self._flags.m)
            case "\\":
                return self._escape(at)
            case "*" | "+" | "?":
                raise self._error("nothing to repeat", at)
            case "{":
                self._at = at
                if self._quantifier() is not None:
                    raise self._error("nothing to repeat", at)
                self._at = at + 1
                return self._literal(ord(c))
            case _:
                return self._literal(ord(c))

    def _literal(self, code: int) -> Chars:
        return self._set(((code, code),))

    def _set(self, chars: CharSet) -> Chars:
        return Chars(charsets.fold(chars) if self._flags.i else chars)

    def _group(self, at: int) -> Node:
        flags = self._flags
        if not self._take("?"):
            return self._capture(at)
        for opening, ahead, negated in (
            ("=", True, False),
            ("!", True, True),
            ("<=", False, False),
            ("<!", False, True),
        ):
            if self._take(opening):
                item = self._alternatives()
                self._expect_close(at)
                return Look(ahead, negated, item)
        if self._take("<"):
            name = self._name(at)
            self._names[name] = (*self._names.get(name, ()), self._opened + 1)
            return self._capture(at)
        if self._peek(2) == "P<":
            raise self._error("(?P<name>…) is Python's form; JavaScript writes (?<name>…)", at)
        if self._take(":"):
            item = self._alternatives()
            self._expect_close(at)
            return item
        end = self._at
        while self._source[end : end + 1] in ("i", "m", "s", "-"):
            end += 1
        modifiers = self._source[self._at : end]
        if not modifiers or self._source[end : end + 1] not in (":", ")"):
            raise self._error(f"(?{self._peek()} is not a group that JavaScript knows", at)
        if self._source[end] == ")":
            raise self._error(
                f"(?{modifiers}) is not JavaScript: write (?{modifiers}:…), or the setting caseSensitive", at
            )
        added, _, removed = modifiers.partition("-")
        if "-" in removed or len(set(added + removed)) != len(added + removed):
            raise self._error(f"invalid flags (?{modifiers}:", at)
        self._flags = _Flags(
            i=(flags.i or "i" in added) and "i" not in removed,
            m=(flags.m or "m" in added) and "m" not in removed,
            s=(flags.s or "s" in added) and "s" not in removed,
        )
        self._at = end + 1
        item = self._alternatives()
        self._expect_close(at)
        self._flags = flags
        return item

    def _capture(self, at: int) -> Group:
        self._opened += 1
        number = self._opened
        item = self._alternatives()
        self._expect_close(at)
        return Group(number, item)

    def _expect_close(self, at: int) -> None:
        if not self._take(")"):
            raise self._error("a group is not closed", at)

    def _name(self, at: int) -> str:
        end = self._source.find(">", self._at)
        name = self._source[self._at : end] if end >= 0 else ""
        if not name.replace("$", "_").isidentifier():
            raise self._error("invalid group name", at)
        self._at = end + 1
        return name

    def _escape(self, at: int) -> Node:
        c = self._peek()
        if c == "":
            raise self._error("a lone backslash at the end", at)
        if c in ("b", "B"):
            self._at += 1
            return Boundary(negated=c == "B")
        if c == "k" and self._has_names:
            self._at += 1
            if not self._take("<"):
                raise self._error("invalid named reference", at)
            name = self._name(at)
            self._named_references.append((name, at))
            return _NamedReference(name, self._flags.i)  # type: ignore[return-value]
        if c in "123456789":
            end = self._at
            while self._source[end : end + 1].isdigit() and self._source[end].isascii():
                end += 1
            number = int(self._source[self._at : end])
            if number > self._group_count:
                raise self._error(f"\\{number} refers to a group that is not there", at)
            self._at = end
            return Backreference((number,), self._flags.i)
        value = self._character_escape(at)
        return self._literal(value) if isinstance(value, int) else self._set(value)

    def _character_escape(self, at: int) -> int | CharSet:
        """A code point, or the set of a class escape; the backslash is already taken."""
        c = self._source[self._at : self._at + 1]
        if c == "":
            raise self._error("a lone backslash at the end", at)
        self._at += 1
        if c in charsets.CLASSES:
            return charsets.CLASSES[c]
        if c in _CONTROLS:
            return _CONTROLS[c]
        match c:
            case "0":
                if self._peek().isdigit():
                    raise self._error("octal escapes are not supported; write \\xHH", at)
                return 0
            case "c" if self._peek().isascii() and self._peek().isalpha():
                self._at += 1
                return ord(self._source[self._at - 1]) % 32
            case "x":
                code = self._hex(2)
                return ord("x") if code is None else code
            case "u":
                return self._unicode_escape(at)
            case "p" | "P" if self._peek() == "{":
                end = self._source.find("}", self._at)
                try:
                    chars = charsets.unicode_property(self._source[self._at + 1 : end])
                except ValueError as error:
                    raise self._error(str(error), at) from None
                self._at = end + 1
                return chars if c == "p" else charsets.invert(chars)
            case _:
                return ord(c)

    def _hex(self, digits: int) -> int | None:
        text = self._peek(digits)
        if len(text) != digits or not all(c in _HEX for c in text):
            return None
        self._at += digits
        return int(text, 16)

    def _unicode_escape(self, at: int) -> int:
        if self._peek() == "{":
            end = self._source.find("}", self._at)
            text = self._source[self._at + 1 : end]
            if text and all(c in _HEX for c in text) and int(text, 16) <= charsets.LAST:
                self._at = end + 1
                return int(text, 16)
            raise self._error("invalid \\u{…}", at)
        code = self._hex(4)
        if code is None:
            return ord("u")
        if 0xD800 <= code < 0xDC00 and self._peek(2) == "\\u":
            back = self._at
            self._at += 2
            low = self._hex(4)
            if low is not None and 0xDC00 <= low < 0xE000:
                return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            self._at = back
        return code

    def _character_class(self, at: int) -> Chars:
        negated = self._take("^")
        parts: list[CharSet] = []
        while True:
            if self._peek() == "":
                raise self._error("a character class is not closed", at)
            if self._take("]"):
                break
            first = self._class_atom()
            if self._peek() == "-" and self._peek(2) not in ("-]", "-"):
                self._at += 1
                last = self._class_atom()
                if isinstance(first, int) and isinstance(last, int):
                    if first > last:
                        raise self._error("range out of order in character class", at)
                    parts.append(((first, last),))
                    continue
                parts.append(charsets.of("-"))
                parts.append(_as_set(last))
            parts.append(_as_set(first))
        chars = self._set(charsets.union(*parts)).chars
        return Chars(charsets.invert(chars) if negated else chars)

    def _class_atom(self) -> int | CharSet:
        at = self._at
        c = self._source[at]
        self._at += 1
        if c != "\\":
            return ord(c)
        if self._take("b"):
            return 8
        if self._peek() in tuple("123456789"):
            raise self._error("octal escapes are not supported; write \\xHH", at)
        return self._character_escape(at)

    def _resolve(self, node: Node) -> Node:
        """Named references become numbers once every name is known."""
        match node:
            case _NamedReference(name, ignore_case):
                return Backreference(self._names[name], ignore_case)
            case Concat(items):
                return Concat(tuple(map(self._resolve, items)))
            case Alternatives(items):
                return Alternatives(tuple(map(self._resolve, items)))
            case Repeat(item, low, high, lazy):
                return Repeat(self._resolve(item), low, high, lazy)
            case Group(number, item):
                return Group(number, self._resolve(item))
            case Look(ahead, negated, item):
                return Look(ahead, negated, self._resolve(item))
            case _:
                return node


@dataclass(frozen=True, slots=True)
class _NamedReference:
    name: str
    ignore_case: bool


# A look-ahead may be repeated, as the web does; in a group, everything may.
_UNREPEATABLE = ("^", "$", "\\b", "\\B", "(?<=", "(?<!")
_HEX = frozenset("0123456789abcdefABCDEF")
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}


def _as_set(value: int | CharSet) -> CharSet:
    return ((value, value),) if isinstance(value, int) else value


def _count_groups(source: str) -> tuple[int, bool]:
    """Capturing groups in the source, and whether any has a name: what `\\1` and `\\k` mean depends on it."""
    count, named, at, in_class = 0, False, 0, False
    while at < len(source):
        c = source[at]
        if c == "\\":
            at += 1
        elif in_class:
            in_class = c != "]"
        elif c == "[":
            in_class = True
        elif c == "(":
            is_name = source.startswith("(?<", at) and source[at + 3 : at + 4] not in ("=", "!")
            if is_name or not source.startswith("(?", at):
                count += 1
                named = named or is_name
        at += 1
    return count, named


def width(node: Node) -> tuple[int, int | None]:
    """The shortest and longest text that the node can match; None where there is no longest."""
    match node:
        case Chars():
            return 1, 1
        case Concat(items):
            widths = [width(item) for item in items]
            return sum(w[0] for w in widths), _total([w[1] for w in widths])
        case Alternatives(items):
            widths = [width(item) for item in items]
            highs = [w[1] for w in widths]
            return min(w[0] for w in widths), None if None in highs else max(h for h in highs if h is not None)
        case Repeat(item, low, high, _):
            shortest, longest = width(item)
            if longest == 0 or high == 0:
                return 0, 0
            return shortest * low, None if longest is None or high is None else longest * high
        case Group(_, item):
            return width(item)
        case Backreference():
            return 0, None
        case Boundary() | Edge() | Look():
            return 0, 0


def _total(values: list[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
