"""Writes `deploy/requirements.lock`: what the container image installs, by version and hash.

    python tools/lock_image.py            # resolve anew
    python tools/lock_image.py --check    # whether the lock has everything that the packages ask for

Needs `uv` for resolving. Our own packages are not in it: the image builds them from the repository.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "deploy" / "requirements.lock"
EXTRAS = {"llm-gateway": ("otel",)}
"""What the image has beyond the packages' own needs."""
PYTHON = "3.13"
HEADER = "# Written by `python tools/lock_image.py`: what the container image installs, by version and hash.\n"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def requirements() -> list[str]:
    """What the packages need of others, as they declare it."""
    found: set[str] = set()
    for file in sorted((ROOT / "packages").glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        declared = list(project.get("dependencies", []))
        for extra in EXTRAS.get(project["name"], ()):
            declared += project["optional-dependencies"][extra]
        found.update(each for each in declared if not each.startswith("llm-gateway"))
    return sorted(found)


def locked() -> dict[str, int]:
    """Number of hashes by the normalised name of each package in the lock."""
    found: dict[str, int] = {}
    name = ""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", line):
            name = normalised(match.group(1))
            found[name] = 0
        elif "--hash=sha256:" in line:
            found[name] += 1
    return found


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def missing() -> list[str]:
    """Declared needs that the lock lacks, or has without a hash."""
    has = locked()
    names = [match.group() for each in requirements() if (match := _NAME.match(each))]
    return [name for name in names if not has.get(normalised(name))]


def main() -> int:
    if "--check" in sys.argv[1:]:
        lacking = missing()
        print("\n".join(f"not in {LOCK.name}: {name}" for name in lacking) or f"{LOCK.name} is complete")
        return 1 if lacking else 0
    command = [
        "uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url",
        "--python-version", PYTHON, "--python-platform", "linux", "-",
    ]  # fmt: skip
    resolved = subprocess.run(command, input="\n".join(requirements()), text=True, capture_output=True, check=True)
    LOCK.write_text(HEADER + resolved.stdout, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
