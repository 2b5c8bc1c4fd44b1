"""What a reload would change, and never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_gateway.config.differences import differences
from llm_gateway.loading import load_text

BASE = """
admin: {enabled: true, apiKey: admin-secret-1}
store: {url: "redis://user:store-secret-1@host/0"}
models:
  - name: echo
    isDefault: true
    provider: {type: echo}
  - name: gpt
    provider: {type: openai, config: {apiKey: sk-secret-1, model: gpt-x}}
plugins:
  - {name: hider, type: regex-hider, config: {patterns: [{pattern: abc}]}}
"""


def changes(old: str, new: str, tmp_path: Path) -> dict[str, tuple[str | None, str | None]]:
    text = BASE.replace(old, new)
    assert (text == BASE) is (old == new)
    before, after = (load_text(each, directory=tmp_path).config for each in (BASE, text))
    return {each.path: (each.running, each.written) for each in differences(before, after)}


def test_the_same_configuration_differs_in_nothing(tmp_path: Path) -> None:
    assert changes("", "", tmp_path) == {}


def test_a_changed_value_is_named_with_both_values(tmp_path: Path) -> None:
    found = changes("model: gpt-x", "model: gpt-y", tmp_path)

    [(path, values)] = found.items()
    assert path.endswith("models[gpt].provider.config.model")
    assert values == ("gpt-x", "gpt-y")


def test_an_entry_that_is_new_at_the_top_does_not_move_the_others(tmp_path: Path) -> None:
    found = changes("models:\n", "models:\n  - {name: first, provider: {type: echo}}\n", tmp_path)

    assert found
    assert all("models[first]" in path for path in found)
    assert all(running is None for running, _ in found.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("admin-secret-1", "admin-secret-2"),
        ("sk-secret-1", "sk-secret-2"),
        ("store-secret-1", "store-secret-2"),
    ],
)
def test_a_changed_secret_is_listed_without_its_value(old: str, new: str, tmp_path: Path) -> None:
    found = changes(old, new, tmp_path)

    assert found
    assert "secret-1" not in str(found)
    assert "secret-2" not in str(found)


def test_what_is_removed_has_no_new_value(tmp_path: Path) -> None:
    plugin = "  - {name: hider, type: regex-hider, config: {patterns: [{pattern: abc}]}}\n"
    found: dict[str, Any] = changes(plugin, "  []\n", tmp_path)

    assert any("plugins[hider]" in path for path in found)
    assert all(written is None for path, (_, written) in found.items() if "plugins[hider]" in path)
