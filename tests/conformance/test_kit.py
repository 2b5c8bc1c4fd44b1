"""A sample of the conformance kit against the served gateway; `hatch run conformance` runs all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "conformance.py"

SAMPLE = (
    "cut anthropic->anthropic",
    "native openai-chat->openai-compat .*error-4xx",
    "native-exact .* .*error-4xx",
    "cross anthropic->openai-chat .*parallel",
    "cross openai-chat->anthropic .*image",
    "cross openai-responses->anthropic .*parallel",
)


def test_a_sample_of_recorded_exchanges_passes() -> None:
    only = "^(?:" + "|".join(SAMPLE) + ")"
    ended = subprocess.run(
        [sys.executable, str(TOOL), "--only", only], capture_output=True, text=True, check=False, timeout=110
    )

    if ended.stdout.startswith("SKIPPED"):
        pytest.skip(ended.stdout.strip().removeprefix("SKIPPED: "))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {line.split()[0] for line in ended.stdout.splitlines()} >= {"cut", "native-exact", "cross"}


def test_the_floor_is_never_lowered() -> None:
    sys.path.insert(0, str(TOOL.parent))
    try:
        import conformance
    finally:
        sys.path.remove(str(TOOL.parent))

    floor = conformance.read_floor(conformance.FLOOR.read_text())

    assert sum(floor.values()) >= 1355
    assert conformance.below(floor, conformance.former_floors()) == ""
