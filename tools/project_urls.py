"""Writes the addresses of the project into every distribution, for the day when it has a public home.

    python tools/project_urls.py https://forge.example.com/team/llm-gateway [https://docs.example.com]

Each `pyproject.toml` gets a table `[project.urls]` in the place of the one it has: homepage, documentation (the folder
`docs` of the repository where no other address is given), issues and changelog.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["addressed", "main"]

ROOT = Path(__file__).resolve().parent.parent
_TABLE = re.compile(r"^\[project\.urls\]\n(?:(?!\[).*\n)*", re.MULTILINE)
_NEXT_TABLE = re.compile(r"^\[(?!project\])", re.MULTILINE)


def addressed(text: str, repository: str, documentation: str | None = None) -> str:
    """The text of a `pyproject.toml` with the table of addresses before the first other table after `[project]`."""
    text = _TABLE.sub("", text)
    urls = {
        "Homepage": repository,
        "Documentation": documentation or f"{repository}/tree/main/docs",
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
    }
    table = "[project.urls]\n" + "".join(f'{name} = "{url}"\n' for name, url in urls.items()) + "\n"
    after = text.index("[project]\n")
    following = _NEXT_TABLE.search(text, after)
    place = following.start() if following else len(text)
    return f"{text[:place]}{table}{text[place:]}"


def main(arguments: list[str]) -> int:
    """The exit status: 2 where an argument is not an address."""
    if not 1 <= len(arguments) <= 2 or any(urlsplit(each).scheme != "https" for each in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        path.write_text(addressed(path.read_text(), arguments[0].rstrip("/"), *arguments[1:]))
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
