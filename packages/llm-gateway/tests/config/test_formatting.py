"""How values and types are called in messages."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.config.document import Path, read_document
from llm_gateway.config.formatting import is_duration_pattern, show, show_of


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true"), (None, "nothing"), ([], "an empty list"), ([1], "a list"), ({}, "an empty mapping"),
        ({"a": 1}, "a mapping"), (3, "3"), (1.5, "1.5"), ("x", '"x"'), ("é" * 60, '"' + "é" * 60 + '"'),
        ("é" * 61, '"' + "é" * 57 + '…"'),
    ],
    ids=["true", "null", "no list", "list", "no map", "map", "int", "float", "text", "60 letters", "61 letters"],
)  # fmt: skip
def test_a_value_in_words(value: Any, words: str) -> None:
    assert show(value, ("server", "port")) == words


@pytest.mark.parametrize(
    "path", [("models", 0, "provider", "config", "apiKey"), ("admin", "apiKey")], ids=["of a provider", "of admin"]
)
def test_secrets_are_not_shown(path: Path) -> None:
    assert show("sk-secret", path) == "a secret text"
    assert show(12345, path) == "a secret value"


def test_a_value_from_a_variable_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path as FilePath

    from llm_gateway.config.loader import read

    draft = read('server: {port: "${MY_PORT}"}', file="g", directory=FilePath(), environ={"MY_PORT": "secret?"})

    assert show_of(draft.root)("secret?", ("server", "port")) == "the value of ${MY_PORT}"
    assert show_of(read_document("a: 1", "g"))(1, ("a",)) == "1"
    assert show_of(draft.root)(1, ("absent",)) == "1"


@pytest.mark.parametrize(
    ("pattern", "is_one"), [(r"^\d+(ms|s|m|h)$", True), (r"^\d+$", False), (None, False), (3, False)]
)
def test_patterns_of_durations_are_recognised(pattern: object, is_one: bool) -> None:
    assert is_duration_pattern(pattern) is is_one
