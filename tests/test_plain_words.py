"""The repository is in the field's plain English: messages, comments, docstrings, names and pages.

A reader who knows HTTP and chat APIs must not have to learn a private vocabulary first. So each word that readers have
stumbled over has one that the field uses, and `ORDINARY` lists the phrases in which such a word is usual English.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTEAD = {
    r"(?:told|tells)": "reported, reports",
    r"(?:says|said)": "states, sets, has; answered",
    r"stands?(?!-in)": "is, goes",
    r"beside": "next to, in addition to",
    r"behind": "after",
    r"(?:nobody|whoever)": "name who, or leave it out",
    r"mend(?:s|ed)?": "correct, fix",
    r"of[ _]its[ _]own": "own, separate",
    r"is[ _]no": "is not a",
}
"""Words that readers stumble over, and what to write."""

IN_MESSAGES = {
    r"can't be asked": "can't be reached",
    r"broke off": "ended early, was lost",
    r"(?:are|is(?: not)?) taken(?: here|[.;])": "accepted",
    r"Most(?= (?!of\b)[a-z])|The most(?= [a-z]+ (?:of|that))": "Maximum, At most",
    r"for good\b": "permanently",
    r"is in service|in force": "is active, takes effect",
    r"dear(?:er|est)": "more expensive, highest",
    r"spar(?:ed|ing|es)": "skipped",
    r"[Pp]lay(?:ed)? (?:recorded|with)": "replay",
    r"begins? anew|counts anew": "starts again",
    r"handed in": "submitted",
    r"looked after|looks after": "polled, managed",
    r"lets? go of": "releases",
    r"[Tt]elling": "reporting",
    r"unasked": "unexpectedly",
    r"came free|come free": "was released",
    r"given up": "dropped",
    r"Whom\b": "name it: the subject, the caller",
    r"not spoken": "not supported",
    r"somebody|everybody": "another caller, all callers",
}
"""The same for what a user reads at run time: errors, log lines, descriptions of settings, the console."""

ORDINARY = re.compile(
    r"there[ _]is[ _]no"
    r"|is[ _]no[ _](?:longer|more)"
    r"|look-behind"
    r"|(?:left|leaves?|leaving|fell|falls?|furthest)[ _](?:[a-z]+[ _]){0,3}behind"
    r"|behind (?:\w+ ){0,3}(?:address|alias|balancer|firewall|front|gateway|profile|protocol|prox(?:y|ies)|several)",
    re.IGNORECASE,
)
"""Phrases of everyday technical English: a server behind a proxy, a look-behind, what is left behind."""

NOT_OURS = ("CHANGELOG.md", "tests/test_plain_words.py")
"""History is left as it was written; this file lists the words."""

WORD = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(INSTEAD)})(?![A-Za-z])", re.IGNORECASE)
IN_MESSAGE = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(IN_MESSAGES)})")


@cache
def files(*suffixes: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    return [name for name in listed if name.endswith(suffixes) and name not in NOT_OURS and (ROOT / name).is_file()]


def odd_words(text: str) -> list[str]:
    return [match[0] for match in WORD.finditer(ORDINARY.sub("", text))]


def texts(source: str, *, messages: bool) -> Iterator[tuple[int, str]]:
    """(line, text) of comments, docstrings and names; with `messages` sentences in other strings too."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.NAME):
            yield token.start[0], token.string
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) in documentation or (messages and " " in node.value):
            yield node.lineno, node.value


def found(name: str) -> list[str]:
    source = (ROOT / name).read_text(encoding="utf-8")
    if not odd_words(source):
        return []
    lines = (
        texts(source, messages="/src/" in name)
        if name.endswith(".py")
        else enumerate(re.sub(r"^```.*?^```", "", source, flags=re.MULTILINE | re.DOTALL).split("\n"), 1)
    )
    return [f"{name}:{line}: {word!r} in {text.strip()[:90]!r}" for line, text in lines for word in odd_words(text)]


def messages(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each string with a space that is not documentation; pieces of f-strings by themselves."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in documentation or not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if " " in node.value.strip():
            yield node.lineno, node.value


def area(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in ("packages", "tests") and len(parts) > 2 else parts[0]


@pytest.mark.parametrize("place", sorted({area(name) for name in files(".py")}))
def test_code_is_in_plain_words(place: str) -> None:
    odd = [line for name in files(".py") if area(name) == place for line in found(name)]

    assert not odd, INSTEAD


def test_what_users_read_is_in_plain_words() -> None:
    odd = [
        f"{name}:{line}: {match[0]!r} in {text.strip()[:90]!r}"
        for name in files(".py")
        if "/src/" in name
        for line, text in messages((ROOT / name).read_text(encoding="utf-8"))
        for match in IN_MESSAGE.finditer(text)
    ]

    assert not odd, IN_MESSAGES


def test_pages_are_in_plain_words() -> None:
    odd = [line for name in files(".md", ".yaml", ".yml") for line in found(name)]

    assert not odd, INSTEAD


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nobody is told what stands beside it", ["nobody", "told", "stands", "beside"]),
        ("test_what_is_no_event", ["is_no"]),
        ("self._said", ["said"]),
        ("a header of its own", ["of its own"]),
        ("there is no route; it is no longer kept", []),
        ("a server behind one proxy leaves nothing behind", []),
        ("restful, besides: saids, outstands, amends", []),
    ],
)
def test_odd_words_are_found_wherever_they_are(text: str, words: list[str]) -> None:
    assert odd_words(text) == words
