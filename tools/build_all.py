"""Builds the sdist and wheel of every package into one folder: `python tools/build_all.py [dist]`."""

import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
out.mkdir(parents=True, exist_ok=True)
for former in [*out.glob("llm_gateway*.whl"), *out.glob("llm_gateway*.tar.gz")]:
    former.unlink()
for project in sorted(root.glob("packages/*/pyproject.toml")):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(out)], cwd=project.parent, check=True)
