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


def area(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in ("packages", "tests") and len(parts) > 2 else parts[0]


@pytest.mark.parametrize("place", sorted({area(name) for name in files(".py")}))
def test_code_is_in_plain_words(place: str) -> None:
    odd = [line for name in files(".py") if area(name) == place for line in found(name)]

    assert not odd, INSTEAD


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
