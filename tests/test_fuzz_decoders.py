"""The fuzzer runs, and finds nothing in a short time; CI runs it for longer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FUZZER = Path(__file__).resolve().parent.parent / "tools" / "fuzz_decoders.py"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FUZZER), *options], capture_output=True, text=True, timeout=100, check=False
    )


def test_damaged_bodies_and_streams_are_read_or_refused() -> None:
    ended = run("--seconds", "3")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = re.search(r"^(\d+) inputs in", ended.stdout, re.M)
    assert found is not None
    assert int(found[1]) > 20


def test_a_seed_leads_to_the_same_input_again() -> None:
    first, second = run("--seed", "7", "--once"), run("--seed", "7", "--once")

    assert first.stdout.split(" in ")[0] == second.stdout.split(" in ")[0] == "1 inputs"
