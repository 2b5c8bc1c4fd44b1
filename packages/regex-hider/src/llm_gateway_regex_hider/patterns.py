"""The rules of one plugin: JavaScript patterns with their replacements, compiled to be searched together.

The leftmost match wins; of several that begin at the same place, the earlier rule. A rule that can't be honoured
(bad syntax, a pattern that matches the empty text) is a RuleError with the rule's number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import regex

from .engine import charsets
from .engine.automaton import Automaton
from .engine.openings import Opening, Starts, opening_of
from .engine.program import compile_program, context_width, is_exact, render, required
from .engine.syntax import Pattern, PatternSyntaxError, parse, width

DEFAULT_REPLACEMENT = "[REDACTED]"

# How common a character is decides what is worth looking for before a text is searched in earnest.
_RARE_SIZE = 16
_MAX_SUBSETS = 32
_MAX_CHOICES = 1000


class RuleError(ValueError):
    """A rule that can't be honoured; `index` is its place."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(f"patterns[{index}]: {message}")
        self.index = index


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern of the configuration. `replacement` is a JavaScript template: `$1`, `$<name>`, `$&`, `$$`."""

    pattern: str
    replacement: str = DEFAULT_REPLACEMENT
    case_sensitive: bool = False
    block: bool = False
    description: str = ""


class CompiledRule:
    def __init__(self, index: int, rule: Rule) -> None:
        self.index = index
        self.rule = rule
        try:
            self.pattern: Pattern = parse(rule.pattern, ignore_case=not rule.case_sensitive)
            if width(self.pattern.root)[0] == 0:
                raise PatternSyntaxError(f"{rule.pattern!r} can match the empty text, which hides nothing")
            # A separate program finds what the automaton refuses, with the rule still known.
            compile_program([self.pattern])
            self.regex: regex.Pattern[str] = regex.compile(render(self.pattern.root), regex.ASCII | regex.VERSION0)
            self.replace = compile_template(rule.replacement, self.pattern)
            self.opening = opening_of(self.pattern.root)
        except PatternSyntaxError as error:
            raise RuleError(index, str(error)) from None
        except RecursionError:
            raise RuleError(index, "the pattern is nested too deeply") from None
        except regex.error as error:
            raise RuleError(index, f"the pattern is not supported: {error}") from None
        self.context = context_width(self.pattern.root)
        self.characters, self._searches = _needed(self.pattern)

    def may_match(self, text: str) -> bool:
        """False only if no part of the text can match; found without a search for the pattern itself."""
        for character in self.characters:
            if character not in text:
                return False
        return not self._searches or all(search(text) is not None for search in self._searches)


Replace = Callable[["regex.Match[str]"], str]


def compile_template(template: str, pattern: Pattern) -> Replace:
    """JavaScript's GetSubstitution without the text around the match, which a stream can't give back."""
    pieces: list[str | tuple[int, ...]] = []
    at = 0
    while (dollar := template.find("$", at)) >= 0:
        pieces.append(template[at:dollar])
        piece, at = _template_piece(template, dollar, pattern)
        pieces.append(piece)
    pieces.append(template[at:])
    if all(isinstance(piece, str) for piece in pieces):
        constant = "".join(piece for piece in pieces if isinstance(piece, str))
        return lambda _match: constant

    def replace(match: regex.Match[str]) -> str:
        return "".join(
            piece if isinstance(piece, str) else "".join(match[number] or "" for number in piece) for piece in pieces
        )

    return replace


def _template_piece(template: str, dollar: int, pattern: Pattern) -> tuple[str | tuple[int, ...], int]:
    following = template[dollar + 1 : dollar + 2]
    match following:
        case "$":
            return "$", dollar + 2
        case "&":
            return (0,), dollar + 2
        case "`" | "'":
            raise PatternSyntaxError(f"${following} in a replacement (the text around the match) is not supported")
        case "<" if pattern.names and (end := template.find(">", dollar)) >= 0:
            return pattern.names.get(template[dollar + 2 : end], ()), end + 1
    for digits in (2, 1):
        text = template[dollar + 1 : dollar + 1 + digits]
        if len(text) == digits and text.isascii() and text.isdigit() and 1 <= int(text) <= pattern.groups:
            return (int(text),), dollar + 1 + digits
    return "$", dollar + 1


def compile_rules(rules: Sequence[Rule]) -> list[CompiledRule]:
    """Raises RuleError for the first rule that can't be honoured."""
    return [CompiledRule(index, rule) for index, rule in enumerate(rules)]


class RuleSet:
    """Rules searched together. Shared by all texts and streams; holds no state of any."""

    def __init__(self, rules: Sequence[CompiledRule], *, mask: str = DEFAULT_REPLACEMENT) -> None:
        """`mask` replaces text that had to be hidden without a match (see StreamRedactor). Raises RuleError."""
        self.rules = list(rules)
        self.mask = mask
        # One character at least: the automaton asks for the one before it.
        self.context = max([1, *(rule.context for rule in rules)])
        try:
            self.automaton = Automaton(compile_program([rule.pattern for rule in rules]))
        except PatternSyntaxError as error:
            raise RuleError(rules[-1].index, str(error)) from None
        self._subsets: dict[tuple[int, ...], RuleSet] = {}
        self._chosen: dict[int, list[CompiledRule]] = {}
        self.first = regex.compile(charsets.as_class(self.automaton.first))
        self.is_selective = not charsets.intersects(self.automaton.first, charsets.of("aeinorst "))
        """Whether ordinary prose has few places where a match can begin."""

        rare = [rule.characters[0] for rule in self.rules if rule.characters]
        self._rare = rare if len(rare) == len(self.rules) else None
        """Of each rule a character that its matches hold, if there is one for all rules."""
        openings = [rule.opening for rule in self.rules]
        self._openings: list[Opening] | None = None
        """How matches begin, if that is known of all rules."""
        if None not in openings:
            self._openings = [opening for opening in openings if opening is not None]

        self.is_exact = all(is_exact(rule.pattern.root) for rule in self.rules)
        """Whether the automaton alone finds where matches end."""

    @functools.cached_property
    def hiding(self) -> Automaton:
        """For text that is hidden while it is read. Where the engine would have the last word but can't be asked, all
        ways are followed to their end."""
        if self.is_exact:
            return self.automaton
        return Automaton(compile_program([rule.pattern for rule in self.rules]), cut=False)

    def chosen(self, bits: int) -> list[CompiledRule]:
        """The rules of the bits that the automaton gives."""
        found = self._chosen.get(bits)
        if found is None:
            found = self._chosen[bits] = [rule for place, rule in enumerate(self.rules) if bits >> place & 1]
            if len(self._chosen) > _MAX_CHOICES:
                self._chosen.clear()
        return found

    def subset(self, indices: tuple[int, ...]) -> RuleSet:
        """The set that is asked about rules by their place in this one; the rules keep their numbers."""
        if len(indices) == len(self.rules):
            return self
        found = self._subsets.get(indices)
        if found is None:
            if len(self._subsets) >= _MAX_SUBSETS:
                return self
            found = self._subsets[indices] = RuleSet([self.rules[index] for index in indices], mask=self.mask)
        return found

    def starts(self, text: str) -> Starts | None:
        """Where in a whole text matches can begin; None where only reading it shows that."""
        return Starts(text, self._openings) if self._openings is not None else None

    def candidates(self, text: str) -> RuleSet | None:
        """The rules that may match somewhere in the text; None if there are none."""
        if not text:
            return None
        if self._rare is not None:
            for character in self._rare:
                if character in text:
                    break
            else:
                return None
        indices = [place for place, rule in enumerate(self.rules) if rule.may_match(text)]
        return self.subset(tuple(indices)) if indices else None


_Search = Callable[[str], "regex.Match[str] | None"]


def _needed(pattern: Pattern) -> tuple[list[str], list[_Search]]:
    """Rare characters, and searches for sets of them, that every match holds."""
    rare = sorted({chars for chars in required(pattern.root) if charsets.size(chars) <= _RARE_SIZE}, key=charsets.size)
    single = [chr(chars[0][0]) for chars in rare[:3] if charsets.size(chars) == 1]
    return single, [regex.compile(charsets.as_class(chars)).search for chars in rare[len(single) : 3]]
