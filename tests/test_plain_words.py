"""What users can read is in the field's plain English: messages, descriptions of settings, help texts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parent.parent / "packages"
INSTEAD = {
    r"\b(?:told|tells)\b": "reported, reports",
    r"\bstands\b": "is, goes",
    r"\bbeside\b": "next to, in addition to",
    r"\b(?:nobody|whoever)\b": "name who, or leave it out",
    r"\bmend\b": "correct",
    r"\bof its own\b": "own, separate",
    r"(?<!here )(?<!\d )\bis no (?!longer\b|more\b|limit\b|retry\b)": "is not a",
}
"""Words that readers stumble over, and what to write."""


def shown(path: Path) -> Iterator[tuple[int, str]]:
    """Sentences in string constants. Docstrings are not for users."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


@pytest.mark.parametrize("package", sorted(path.parent.name for path in PACKAGES.glob("*/pyproject.toml")))
def test_users_read_plain_words(package: str) -> None:
    found = [
        f"{path.relative_to(PACKAGES)}:{line}: {text[:100]!r}: rather {instead}"
        for path in sorted((PACKAGES / package / "src").rglob("*.py"))
        for line, text in shown(path)
        if " " in text
        for word, instead in INSTEAD.items()
        if re.search(word, text, re.IGNORECASE)
    ]

    assert found == []
