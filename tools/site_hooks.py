"""What the documentation site needs beyond its pages: files that pages link to outside `docs/`, and `llms.txt`.

Pages are written to be read in the repository, so they link to examples, packages and the guide for contributors by
relative paths. Each linked file becomes a part of the site under `repository/`: Markdown as a page, others as they are.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_FOREIGN = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")
"""What a page loads from another host: scripts, styles, pictures and frames."""
_LARGEST = 300_000
"""Characters of a page's HTML."""
_HOME = "repository"
_FOUND_FIRST = {
    "fallback": "faq.html",
    "retries": "faq.html",
    "timeout": "faq.html",
    "budget": "governance.html",
    "claude code": "clients.html",
    "kubernetes": "install.html",
    "before_model": "plugins/hooks.html",
    "guardrail": "plugins/regex-hider.html",
}
"""What people search for, and the page that explains it."""

log = logging.getLogger("mkdocs.hooks")

_titles: dict[str, str] = {}


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Adds each file outside `docs/` that a page links to, and those that these link to."""
    pending = [(page.src_uri, page.content_string) for page in files.documentation_pages()]
    while pending:
        uri, text = pending.pop()
        for _, target, _ in _LINK.findall(_FENCE.sub("", text)):
            found = _outside(uri, target)
            if found is None or files.get_file_from_path(_uri_of(found)) is not None:
                continue
            content = _listing(found).encode() if found.is_dir() else found.read_bytes()
            added = File.generated(config, _uri_of(found), content=content, inclusion=InclusionLevel.NOT_IN_NAV)
            files.append(added)
            if added.src_uri.endswith(".md"):
                pending.append((added.src_uri, content.decode()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Points links to files outside `docs/` at their copies in the site, and ranks the page for the search."""
    uri = page.file.src_uri
    if uri == f"{_HOME}/CHANGELOG.md":
        page.meta.setdefault("search", {"exclude": True})  # it has every word
    elif uri.startswith("reference/sdk/"):
        # Titles count 1,000 times as much as texts, and each attribute has one: they count as texts do elsewhere.
        page.meta.setdefault("search", {"boost": 0.001})
    elif uri.startswith((f"{_HOME}/", "reference/")):
        page.meta.setdefault("search", {"boost": 0.3})  # below the pages that explain
    title = re.search(r"^# (.+)$", markdown, re.MULTILINE)
    _titles[uri] = title[1] if title else uri

    def moved(match: re.Match[str]) -> str:
        found = _outside(uri, match[2])
        if found is None:
            return match[0]
        return f"{match[1]}{posixpath.relpath(_uri_of(found), posixpath.dirname(uri) or '.')}{match[3]}"

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts)


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """The reference of commands: options without a default have none, where the generator shows click's marker for it.

    Raises PluginError where a marker is left: the generator has changed.
    """
    html = html.replace("<code>Sentinel.UNSET</code>", "")
    if "Sentinel.UNSET" in html and page.file.src_uri == "reference/cli.md":
        raise PluginError("reference/cli.md: defaults of options are not written as they were")
    return html


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Writes `llms.txt`: the pages with their titles, for language models that read documentation.

    Raises PluginError where a page loads something from another host, for the site has to work offline, where one is
    larger than phones show with ease, or where the search shows something else before the page that explains a word.
    """
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", "", "## Pages", ""]
    lines += [
        f"- [{title}]({uri.removesuffix('.md')}.html)"
        for uri, title in sorted(_titles.items())
        if not uri.startswith(_HOME)
    ]
    site = Path(config.site_dir)
    (site / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pages = {page.relative_to(site).as_posix(): page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    foreign = sorted({address for html in pages.values() for address in _loaded(html)})
    if foreign:
        raise PluginError(f"pages load from other hosts: {', '.join(foreign)}")
    large = sorted(name for name, html in pages.items() if len(html) > _LARGEST)
    if large:
        raise PluginError(f"pages of more than {_LARGEST:,} characters, to be divided: {', '.join(large)}")
    _check_search(site)


def _check_search(site: Path) -> None:
    node = shutil.which("node")
    if node is None:
        log.info("node is not installed: the order of the search's results is not looked at")
        return
    asked = [word for pair in _FOUND_FIRST.items() for word in pair]
    command = [node, str(ROOT / "tools/site_search.js"), str(site), *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise PluginError(f"the search of the site: {done.stdout or done.stderr}")


def _loaded(html: str) -> list[str]:
    """The addresses of other hosts from which a page loads scripts, styles, pictures or frames."""
    return _FOREIGN.findall(html)


def _outside(uri: str, target: str) -> Path | None:
    """The repository's file that a link in the page `uri` leads to, where it is outside `docs/`."""
    if "://" in target or target.startswith(("mailto:", "/")):
        return None
    base = ROOT / uri.removeprefix(f"{_HOME}/") if uri.startswith(f"{_HOME}/") else ROOT / "docs" / uri
    found = Path(os.path.normpath(base.parent / target))
    if found.is_dir() and (found / "README.md").is_file():
        found = found / "README.md"
    if not found.exists() or not found.is_relative_to(ROOT):
        return None
    return None if found.is_relative_to(ROOT / "docs") and not uri.startswith(_HOME) else found


def _uri_of(path: Path) -> str:
    if path.is_relative_to(ROOT / "docs"):
        return path.relative_to(ROOT / "docs").as_posix()
    uri = f"{_HOME}/{path.relative_to(ROOT).as_posix()}"
    return f"{uri}/index.md" if path.is_dir() else uri


def _listing(folder: Path) -> str:
    """A page with the files of a folder that has no README."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return f"# {folder.relative_to(ROOT)}\n\n" + "".join(f"- [{name}]({name})\n" for name in names)
