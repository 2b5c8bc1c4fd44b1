"""Each statement of SECURITY.md and docs/operations.md has tests that show it, or a reason why none can.

The files next to this one, `security.txt` and `operations.txt`, list the statements in the order of the page:

    [9ae0] Keys of providers: Where a provider quotes
        tests/reliability/test_security.py::test_no_key_gets_into_answers_logs_or_traces
    [b036] Describe what you did
        (advice)

that is a checksum of the statement, its beginning, and below it a test per line or a reason in parentheses.
"""

from __future__ import annotations

import ast
import re
import zlib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"security.txt": "SECURITY.md", "operations.txt": "docs/operations.md"}


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`*\[0-9])", " ".join(text.split()))


def statements(page: str) -> list[str]:
    """Sentences of paragraphs and of items of lists, those of a table's cells after the name of their row, and each
    block of code."""
    found: list[str] = []
    for block in re.split(r"(^```.*?^```$)", page, flags=re.MULTILINE | re.DOTALL):
        if block.startswith("```"):
            found.append(" ".join(block.split("\n", 1)[1].removesuffix("```").split()))
            continue
        for text in re.split(r"\n\s*\n|^#.*$|^(?:[-*]|\d+\.) |^(?=\|)", block, flags=re.MULTILINE):
            if text.startswith("|"):
                name, cell = (part.strip() for part in text.strip().strip("|").split("|"))
                found += [f"{name}: {sentence}" for sentence in sentences(cell) if sentence.strip("- ")]
            elif text.strip():
                found += sentences(text.strip())
    return found


def checksum(statement: str) -> str:
    return f"{zlib.crc32(statement.encode()) & 0xFFFF:04x}"


def entries(file: str) -> dict[tuple[str, str], list[str]]:
    """By checksum and beginning, what shows the statement."""
    found: dict[tuple[str, str], list[str]] = {}
    shown: list[str] = []
    for line in (Path(__file__).parent / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            found[line[1:5], line[7:]] = shown = []
        elif line:
            shown.append(line.strip())
    return found


@cache
def names_in(file: str) -> frozenset[str]:
    if not (ROOT / file).is_file():
        return frozenset()
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("file", PAGES)
def test_each_statement_has_its_tests(file: str) -> None:
    listed = entries(file)
    left = dict(listed)
    problems = []
    for statement in statements((ROOT / PAGES[file]).read_text(encoding="utf-8")):
        known = [entry for entry in left if statement.startswith(entry[1])]
        if not known:
            problems.append(f"not in {file}, add what shows it: [{checksum(statement)}] {statement[:80]}")
            continue
        if (checksum(statement), known[0][1]) not in left:
            problems.append(
                f"has changed: look whether its tests still show it, then write [{checksum(statement)}] in {file}: "
                f"{statement[:80]}"
            )
        for entry in known[:1]:
            del left[entry]
    problems += [f"no longer in {PAGES[file]}, take it off {file}: {beginning}" for _, beginning in left]

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("file", PAGES)
def test_what_shows_a_statement_is_there(file: str) -> None:
    problems = []
    for (_, beginning), shown in entries(file).items():
        reasons = [line for line in shown if line.startswith("(") and line.endswith(")")]
        if len(reasons) != (len(shown) == 1 and bool(reasons)) or not shown:
            problems.append(f"{beginning}: needs tests, or one reason in parentheses")
        for test in shown:
            path, _, name = test.partition("::")
            if test not in reasons and name not in names_in(path):
                problems.append(f"{beginning}: there is no {test}")

    assert not problems, "\n".join(problems)


def test_statements_are_found_in_every_part_of_a_page() -> None:
    page = "# Title\n\nOne is so. Two\nis `x`.\n\n- **Three.** Four\n1. Five\n\n"
    page += "| a | b |\n|---|---|\n| six | It is. So |\n\n```sh\na  b\n```\n"

    assert statements(page) == [
        "One is so.", "Two is `x`.", "**Three.** Four", "Five", "a: b", "six: It is.", "six: So", "a b"
    ]  # fmt: skip
