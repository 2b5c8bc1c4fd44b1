"""No regular expression of the gateway takes more than linear time, whatever text it is given.

For each the texts are made from its own parts: what comes before a loop, then what the loop takes many times, or the
beginning of a match many times, and then something that lets the match fail.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

PACKAGES = Path(__file__).parents[2] / "packages"
NOT_READ_FROM_OUTSIDE = ("/testing/", "/cli/", "/cli.py", "/config/", "/notices.py", "/scaffold.py", "/__main__.py")
"""Parts that read the operator's own files and commands, when they are started."""
LENGTHS = (16, 1000, 2500)
SECONDS = (0.001, 0.0002, 0.004)
SHORT = 1000
"""At such lengths linear time is microseconds; quadratic is half a millisecond of 1,000 characters, 4 of 2,500. Of 16
only what grows exponentially is slow."""
CERTAIN = 0.05
"""Seconds above which a time is not due to a busy machine; below, four times the text takes eight times as long."""
METHODS = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer")
CALL = re.compile(rf"\b(\w+)\.({'|'.join(METHODS)})\b")
INLINE = re.compile(rf"\bre\.(?:{'|'.join(METHODS)})\(")
REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT)
COMMON = ' \t"\\ab0.-;=<\n\r/'
CHARACTERS = [*"abcdefghijklmnopqrstuvwxyz", *map(chr, range(32, 127)), "\t", "\n", "\r", "\0", "é"]
Tree = Sequence[Any]


def sources() -> Iterator[Path]:
    for file in sorted(PACKAGES.glob("*/src/**/*.py")):
        if not any(part in file.as_posix() for part in NOT_READ_FROM_OUTSIDE):
            yield file


def expressions() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """(place, expression, methods that are called on it)"""
    texts = {file: file.read_text() for file in sources()}
    everywhere = calls_in("\n".join(texts.values()))
    for file, text in texts.items():
        if INLINE.search(text) is not None:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and (found := inline(node)):
                    yield f"{file.name}:{node.lineno}", *found
        if "re.compile(" not in text:
            continue
        parts = file.parts[len(PACKAGES.parts) + 2 :]
        module = importlib.import_module(".".join(parts)[:-3].removesuffix(".__init__"))
        own = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
        here = calls_in(text)
        for holder in (module, *own):
            for name, value in vars(holder).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.__name__}.{name}", value, here.get(name) or everywhere.get(name) or {"search"}
                elif isinstance(bound := getattr(value, "__self__", None), re.Pattern):
                    yield f"{module.__name__}.{name}", bound, {value.__name__}


def calls_in(text: str) -> dict[str, set[str]]:
    """The methods that are called on each name."""
    found: dict[str, set[str]] = {}
    for name, method in CALL.findall(text):
        found.setdefault(name, set()).add(method)
    return found


def inline(call: ast.Call) -> tuple[re.Pattern[Any], set[str]] | None:
    """Of `re.sub(r"…", …)`."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="re"), attr=method),
            args=[ast.Constant(value=str() | bytes() as text), *_],
        ) if method in METHODS:
            return re.compile(text), {method}
    return None


def sample(tree: Tree) -> str:
    """The shortest text that matches, but for what look-arounds ask."""
    found = ""
    for kind, given in tree:
        if kind is kinds.LITERAL:
            found += chr(given)
        elif kind is kinds.NOT_LITERAL:
            found += "b" if given == ord("a") else "a"
        elif kind is kinds.ANY:
            found += "a"
        elif kind is kinds.IN:
            found += next((each for each in CHARACTERS if is_in(given, each)), "a")
        elif kind in REPEATS:
            found += sample(given[2]) * given[0]
        elif kind is kinds.SUBPATTERN:
            found += sample(given[3])
        elif kind is kinds.BRANCH:
            found += sample(given[1][0])
        elif kind is kinds.ATOMIC_GROUP:
            found += sample(given)
    return found


CATEGORIES: dict[Any, Callable[[str], bool]] = {
    kinds.CATEGORY_DIGIT: str.isdigit,
    kinds.CATEGORY_NOT_DIGIT: lambda character: not character.isdigit(),
    kinds.CATEGORY_SPACE: str.isspace,
    kinds.CATEGORY_NOT_SPACE: lambda character: not character.isspace(),
    kinds.CATEGORY_WORD: lambda character: character.isalnum() or character == "_",
    kinds.CATEGORY_NOT_WORD: lambda character: not (character.isalnum() or character == "_"),
}


def is_in(given: Tree, character: str) -> bool:
    code, negated, found = ord(character), False, False
    for kind, value in given:
        if kind is kinds.NEGATE:
            negated = True
        elif kind is kinds.LITERAL:
            found |= value == code
        elif kind is kinds.RANGE:
            found |= value[0] <= code <= value[1]
        elif kind is kinds.CATEGORY:
            found |= CATEGORIES[value](character)
    return found != negated


def alternatives(tree: Tree) -> Iterator[str]:
    """Texts that one round of a loop takes."""
    yield sample(tree)
    if len(tree) == 1:
        kind, given = tree[0]
        if kind is kinds.IN:
            yield from (each for each in COMMON if is_in(given, each))
        elif kind in (kinds.ANY, kinds.NOT_LITERAL):
            yield from COMMON
        elif kind is kinds.SUBPATTERN:
            yield from alternatives(given[3])
        elif kind is kinds.BRANCH:
            for branch in given[1]:
                yield from alternatives(branch)


def loops(tree: Tree, before: str = "") -> Iterator[tuple[str, str]]:
    """(what comes before, what is repeated)"""
    for place, (kind, given) in enumerate(tree):
        prefix = before + sample(tree[:place])
        if kind in REPEATS:
            if given[1] > 100:
                for text in alternatives(given[2]):
                    yield prefix, text
                    yield "", prefix + text
            yield from loops(given[2], prefix)
        elif kind is kinds.SUBPATTERN:
            yield from loops(given[3], prefix)
        elif kind is kinds.ATOMIC_GROUP:
            yield from loops(given, prefix)
        elif kind is kinds.BRANCH:
            for branch in given[1]:
                yield from loops(branch, prefix)
    for end in range(1, len(tree) + 1):
        yield before, sample(tree[:end])


def slow_texts(expression: re.Pattern[Any], method: str) -> Iterator[str]:
    binary = isinstance(expression.pattern, bytes)
    flags = expression.flags if not binary else expression.flags & ~re.UNICODE
    for before, repeated in {pair for pair in loops(list(parser.parse(expression.pattern, flags))) if pair[1]}:
        for end in ("", "\0\n"):
            for length, seconds in zip(LENGTHS, SECONDS, strict=True):
                written: Any = before + repeated * (length // len(repeated)) + end
                text = written.encode("utf-8", "replace") if binary else written
                took = min(taken(expression, method, text, seconds))
                is_slow = took > seconds
                if is_slow and length == LENGTHS[-1] and took < CERTAIN:
                    longer = before.encode() if binary else before
                    longer += (repeated.encode() if binary else repeated) * (4 * length // len(repeated))
                    longer += end.encode() if binary else end
                    is_slow = min(taken(expression, method, longer, 8 * took)) > 8 * took
                if is_slow and length != SHORT:
                    yield f"{before!r} + {repeated!r} * n + {end!r}"
                if is_slow != (length == SHORT):
                    break  # what is quick here is quick in longer texts


def taken(expression: re.Pattern[Any], method: str, text: Any, enough: float) -> Iterator[float]:
    """Seconds of the processor, up to three times until one is short enough."""
    for _ in range(3):
        began = time.thread_time()
        if method == "finditer":
            list(expression.finditer(text))
        elif method == "sub":
            expression.sub(text[:0], text)
        else:
            getattr(expression, method)(text)
        yield time.thread_time() - began
        if time.thread_time() - began <= enough:
            return


def test_none_takes_more_than_linear_time() -> None:
    slow = []
    found = {(place, pattern, method) for place, pattern, methods in expressions() for method in methods}
    for place, pattern, method in sorted(found, key=lambda each: (each[0], each[2])):
        text = next(slow_texts(pattern, method), None)
        if text is not None:
            slow.append(f"{place}.{method} {pattern.pattern!r}: {text}")

    assert len(found) > 100
    assert not slow, "\n".join(slow)


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"name\s*\*?\s*=", "search"),
        (r"/model/(.+)/([a-z-]+)$", "search"),
        (rb"(a|a)*b", "match"),
        (r"\s*\S+", "findall"),
    ],
)
def test_a_slow_one_is_found(pattern: str | bytes, method: str) -> None:
    assert next(slow_texts(re.compile(pattern), method), None) is not None
