"""Bounds of what killed clients can have spent, from the steps that they have written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

memory = pytest.importorskip("llm_gateway.stores.memory", reason="the gateway's stores are not installed")

from llm_gateway_sdk.testing.store_clients import bounds, open_store  # noqa: E402


def written(folder: Path, *steps: tuple[str, str, int], cut: str = "") -> list[Path]:
    file = folder / "steps.jsonl"
    file.write_text("".join(f"{json.dumps(step)}\n" for step in steps) + cut)
    return [file, folder / "never-began.jsonl"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], (0, 0)),
        ([("reserve", "a", 9)], (0, 9)),
        ([("reserve", "a", 9), ("refused", "a", 0)], (0, 0)),
        ([("reserve", "a", 9), ("granted", "a", 9)], (9, 9)),
        ([("reserve", "a", 9), ("granted", "a", 9), ("settle", "a", 4)], (4, 9)),
        ([("reserve", "a", 9), ("granted", "a", 9), ("settle", "a", 4), ("settled", "a", 4)], (4, 4)),
        ([("reserve", "a", 9), ("reserve", "b", 1), ("granted", "b", 1)], (1, 10)),
    ],
)
def test_a_client_has_spent_between_two_bounds(steps: Any, expected: tuple[int, int], tmp_path: Path) -> None:
    assert bounds(written(tmp_path, *steps)) == expected


def test_a_line_that_was_cut_is_a_step_that_was_not_taken(tmp_path: Path) -> None:
    assert bounds(written(tmp_path, ("reserve", "a", 9), cut='["granted", "a"')) == (0, 9)


def test_a_store_is_opened_by_its_recipe() -> None:
    store = open_store(["llm_gateway.stores.memory:MemoryStore", "memory://", {}])

    assert isinstance(store, memory.MemoryStore)
