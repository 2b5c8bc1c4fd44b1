"""Type-checks the Python of the documentation strictly, with mypy and with pyright: `hatch run types:check`.

The blocks of a page are one module, as a reader would put them together; a block that begins with the import of another
vendor's SDK begins another. A method that is shown alone is put into a plugin. Lines keep their numbers, so that mypy's
places are the page's.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "doc_types"
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("packages/*/README.md"))]
_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
_METHOD = re.compile(r"(?:async )?def \w+\(self\b")
_ANOTHER = re.compile(r"(?:from|import) (?!llm_gateway|typing|collections|pydantic)")
_PRELUDE = "from llm_gateway_sdk import *  # a page may name what it has introduced"
_LOOSE = ("no-redef", "empty-body", "import-not-found")
_LOOSE_IN_PYRIGHT = (
    # A page shows several things of one name, and names what another page has made.
    "reportMissingImports",
    "reportRedeclaration",
    # Those SDKs of other vendors whose types are incomplete.
    "reportUnknownMemberType",
    "reportUnknownVariableType",
    # Each page begins with all of the SDK's names, see `_PRELUDE`.
    "reportDuplicateImport",
    "reportUnusedImport",
    "reportWildcardImportFromLibrary",
)


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for page in PAGES:
        name = re.sub(r"\W", "_", page.relative_to(ROOT).with_suffix("").as_posix())
        for number, module in enumerate(modules(page.read_text())):
            (FOLDER / f"{name}_{number}.py").write_text(module)
    files = sorted(FOLDER.glob("*.py"))
    print(f"{len(files)} modules of {len(PAGES)} pages", flush=True)
    options = [
        "--strict",
        "--config-file",
        str(ROOT / "mypy.ini"),
        *(f"--disable-error-code={code}" for code in _LOOSE),
    ]
    checked = [
        subprocess.run([sys.executable, "-m", "mypy", *options, *map(str, files)], cwd=ROOT, check=False).returncode,
        run_pyright(),
    ]
    return max(checked)


def run_pyright() -> int:
    """By basedpyright, which is pyright with Node.js in its wheel; `strict` means the same in both."""
    settings = {
        "include": ["."],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": sorted(map(str, ROOT.glob("packages/*/src"))),
        **dict.fromkeys(_LOOSE_IN_PYRIGHT, False),
    }
    (FOLDER / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--project", str(FOLDER), "--pythonpath", sys.executable]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def modules(text: str) -> list[str]:
    """The modules that the blocks of one page make up."""
    found: list[list[str]] = []
    for block in _BLOCK.finditer(text):
        code = block["code"].splitlines()
        if not found or _ANOTHER.match(block["code"]):
            found.append([_PRELUDE] + [""] * text.count("\n"))
        first = text.count("\n", 0, block.start("code"))
        if _METHOD.match(block["code"]):
            found[-1][first - 1] = "class Example(Plugin):"
            code = [f"    {line}" for line in code]
        found[-1][first : first + len(code)] = code
    return ["\n".join(lines) + "\n" for lines in found]


if __name__ == "__main__":
    sys.exit(main())
