"""Installs the built wheels into a Python environment: `python tools/install.py [NAME ...]`.

    hatch run build:all                                   builds the wheels into dist/
    python tools/install.py                               the gateway with its built-in plugins
    python tools/install.py otel gemini bedrock           with extras of the gateway
    python tools/install.py 'llm-gateway-clickhouse-tracer-plugin[embedded]'
    python tools/install.py --python .venv/bin/python     into another environment

What of ours the environment has already is installed anew, so that the same command upgrades it, and goes back.
All of our wheels are installed by their paths, with what they need of each other: on the public index the name
`llm-gateway` belongs to another project.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GATEWAY = "llm-gateway"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="extras of the gateway, or further distributions")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder of the wheels; default: dist")
    parser.add_argument("--python", default=sys.executable, help="the environment's Python; default: this one")
    options = parser.parse_args(arguments)
    wheels = find_wheels(options.dist)
    if GATEWAY not in wheels:
        print(f"no wheel of {GATEWAY} in {options.dist}; build them first: hatch run build:all", file=sys.stderr)
        return 2
    before = [name for name in installed(options.python) if name in wheels]
    try:
        requirements = plan(wheels, [*options.names, *before])
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    command = installer(options.python)
    status = subprocess.run([*command, *requirements], check=False).returncode
    if status or not before:
        return status
    # A wheel of the version that is there would be left out, though it was built from other code.
    again = [str(wheels[name]) for name in before]
    return subprocess.run([*command, "--no-deps", "--force-reinstall", *again], check=False).returncode


def find_wheels(dist: Path) -> dict[str, Path]:
    """The wheel of each distribution in the folder."""
    return {path.name.split("-")[0].replace("_", "-"): path for path in sorted(dist.glob("llm_gateway*.whl"))}


def plan(wheels: dict[str, Path], names: list[str]) -> list[str]:
    """What pip is asked to install. Raises KeyError, with a message, for an unknown name."""
    extras_of_gateway = extras(wheels[GATEWAY])
    wanted: dict[str, set[str]] = {GATEWAY: set()}
    for asked in names:
        name, _, chosen = asked.rstrip("]").partition("[")
        if name in extras_of_gateway:
            wanted[GATEWAY].add(name)
        elif name in wheels:
            wanted.setdefault(name, set()).update(filter(None, chosen.split(",")))
        else:
            known = ", ".join([*sorted(extras_of_gateway), *sorted(wheels)])
            raise KeyError(f"{name} is neither an extra of the gateway nor a distribution here (known: {known})")
    found: dict[str, set[str]] = {}
    pending = list(wanted)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found[name] = wanted.get(name, set())
        pending += [each for each in requires(wheels[name], found[name]) if each in wheels]
    return [
        f"{wheels[name]}[{','.join(sorted(chosen))}]" if chosen else str(wheels[name]) for name, chosen in found.items()
    ]


def installed(python: str) -> list[str]:
    """Our distributions in an environment: an upgrade is of all of them."""
    code = "import importlib.metadata as m; print(*{d.metadata['Name'] for d in m.distributions()})"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return sorted(name for name in found if name.startswith(GATEWAY))


def requires(wheel: Path, chosen: set[str]) -> list[str]:
    """Names of the distributions that a wheel needs, with the extras that were chosen."""
    needed = []
    for line in metadata(wheel).get_all("Requires-Dist", []):
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if extra is None or extra[1] in chosen:
            needed.append(re.match(r"[\w.-]+", line)[0])  # type: ignore[index]
    return needed


def extras(wheel: Path) -> set[str]:
    """The extras that a wheel offers."""
    return set(metadata(wheel).get_all("Provides-Extra", []))


def metadata(wheel: Path):  # type: ignore[no-untyped-def]
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def installer(python: str) -> list[str]:
    """pip of the environment; uv where the environment has no pip."""
    has_pip = subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    if has_pip:
        return [python, "-m", "pip", "install"]
    import uv

    return [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", python]


if __name__ == "__main__":
    sys.exit(main())
