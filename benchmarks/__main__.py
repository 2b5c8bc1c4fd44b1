"""The commands: `install`, `run`, `table`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .gateways import GATEWAYS
from .measure import run
from .peers import PEERS, install
from .scenarios import SCENARIOS
from .table import table

_USUAL = [name for name in GATEWAYS if name != "other"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    installing = commands.add_parser("install", help="install the gateways to compare with")
    installing.add_argument("peers", nargs="*", default=list(PEERS), metavar="peer", help=", ".join(PEERS))
    running = commands.add_parser("run", help="measure, and print the table")
    running.add_argument("-g", "--gateways", default=",".join(_USUAL), help="default: %(default)s")
    running.add_argument("-s", "--scenarios", default=",".join(SCENARIOS), help="default: %(default)s")
    running.add_argument("-r", "--rounds", type=int, default=3)
    running.add_argument("--scale", type=float, default=1.0, help="of the time per measurement")
    running.add_argument("-o", "--output", type=Path, help="file of results; default: one in results/, named by date")
    reading = commands.add_parser("table", help="print the table of files of results")
    reading.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    if given.command == "install":
        install(given.peers)
        return
    files: list[Path] = given.files if given.command == "table" else []
    if given.command == "run":
        output = given.output or Path(__file__).parent / "results" / time.strftime("%Y-%m-%d-%H%M.jsonl")
        run(
            _names(parser, given.gateways, GATEWAYS),
            _names(parser, given.scenarios, SCENARIOS),
            rounds=given.rounds,
            results=output,
            seconds_factor=given.scale,
        )
        files = [output]
    print(table(files))


def _names(parser: argparse.ArgumentParser, text: str, known: object) -> list[str]:
    names = text.split(",")
    assert isinstance(known, dict)
    for name in names:
        if name not in known:
            parser.error(f"unknown name '{name}' (known: {', '.join(known)})")
    return names


main()
