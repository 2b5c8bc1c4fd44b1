"""Runs the conformance kit against this gateway and compares with the floor: `python tools/conformance.py [--raise]`.

The kit is found by LLM_GATEWAY_CONFORMANCE_KIT, else at ../shared/conformance; without it this reports it and ends
well. `conformance_floor.txt` next to this file holds, for each class of checks, how many must pass. The floor only
rises: `--raise` writes what was reached, and a value below an earlier committed one is an error.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR = Path(__file__).resolve().parent / "conformance_floor.txt"
HEAD = "# How many checks of the conformance kit must pass, by class. Written by `hatch run conformance --raise`.\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raise", dest="raise_floor", action="store_true", help="write what was reached as the floor")
    parser.add_argument("--pairs", default="all", help="client:provider,... or all; default: all")
    parser.add_argument("--only", default="", help="a regular expression that the checks' names must match; no floor")
    options = parser.parse_args()
    kit = find_kit()
    if kit is None:
        print("SKIPPED: the conformance kit is not here (LLM_GATEWAY_CONFORMANCE_KIT names its folder)")
        return 0
    floor = read_floor(FLOOR.read_text()) if FLOOR.is_file() else {}
    if lowered := below(floor, former_floors()):
        print(f"the floor was lowered: {lowered}")
        return 1
    reached, failed = run(kit, options.pairs, options.only)
    for name, count in reached.items():
        print(f"  {name:15} {count:5} passed, {failed[name]:3} failed, floor {floor.get(name, 0)}")
    print(f"  {'total':15} {sum(reached.values()):5} passed, {sum(failed.values()):3} failed")
    if options.only:
        return 1 if sum(failed.values()) else 0
    if options.raise_floor:
        raised = {name: max(reached.get(name, 0), floor.get(name, 0)) for name in {**floor, **reached}}
        FLOOR.write_text(HEAD + "".join(f"{name} {raised[name]}\n" for name in sorted(raised)))
        return 0
    if missed := below(reached, [floor]):
        print(f"below the floor: {missed}")
        return 1
    return 0


def find_kit() -> Path | None:
    named = os.environ.get("LLM_GATEWAY_CONFORMANCE_KIT")
    folder = Path(named) if named else ROOT.parent / "shared" / "conformance"
    return folder.resolve() if (folder / "check.py").is_file() else None


def run(kit: Path, pairs: str, only: str) -> tuple[dict[str, int], collections.Counter[str]]:
    """How many checks of each class passed, and how many failed, after printing those that did."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as scratch:
        result = Path(scratch) / "result.json"
        command = [sys.executable, str(kit / "check.py"), "--target", "ours", "--workdir", scratch]
        command += ["--json", str(result)]
        if only:
            command += ["--only", only]
        gateway = f"{shlex.quote(sys.executable)} -m llm_gateway start --config {{config}}"
        environ = {**os.environ, "OURS_COMMAND": gateway, "PYTHONDONTWRITEBYTECODE": "1"}
        environ.setdefault("OURS_PAIRS", pairs)
        ended = subprocess.run(command, cwd=kit, env=environ, capture_output=True, text=True, check=False)
        if not result.is_file():
            logs = "".join(log.read_text(errors="replace")[-3000:] for log in Path(scratch).glob("*.log"))
            print(ended.stdout[-3000:], ended.stderr[-3000:], logs)
            raise SystemExit("the kit ended without a result")
        rows = json.loads(result.read_text())["rows"]
    passed: dict[str, int] = dict.fromkeys(sorted({row["class"] for row in rows}), 0)
    failed: collections.Counter[str] = collections.Counter()
    for row in rows:
        if row["ok"]:
            passed[row["class"]] += 1
            continue
        failed[row["class"]] += 1
        names = f"{row['class']} {row['client']}->{row['provider']} {row['case']} ({row['frag']})"
        print(f"  failed: {names}: {json.dumps(row['fails'], ensure_ascii=False)[:300]}")
    return passed, failed


def read_floor(text: str) -> dict[str, int]:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: int(count) for name, count in lines}


def former_floors() -> list[dict[str, int]]:
    """Each committed version of the floor, as far as the history is here."""
    path = FLOOR.relative_to(ROOT).as_posix()
    try:
        log = subprocess.run(
            ["git", "log", "--format=%H", "--", path], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return [
            read_floor(
                subprocess.run(
                    ["git", "show", f"{commit}:{path}"], cwd=ROOT, capture_output=True, text=True, check=True
                ).stdout
            )
            for commit in log.stdout.split()
        ]
    except (OSError, subprocess.CalledProcessError):
        return []


def below(values: dict[str, int], floors: list[dict[str, int]]) -> str:
    """Where a value is lower than a floor, in words; empty where none is."""
    return ", ".join(
        f"{name} {values.get(name, 0)} < {least}"
        for floor in floors
        for name, least in floor.items()
        if values.get(name, 0) < least
    )


if __name__ == "__main__":
    sys.exit(main())
