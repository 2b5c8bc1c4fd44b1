"""What all pages share: the frame, badges, links to what has the same name."""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway_sdk.web import Child, Link, Markup, Shell, chart_files, current_shell, join, tag
from llm_gateway_sdk.web import page as framed

from .controls import address
from .filter import Filter

__all__ = ["badge", "charts_files", "linked", "marked", "message_page", "nothing", "page", "script"]


def page(base: str, title: str, here: str, *content: Child) -> str:
    """`base` is the address below which the dashboard is mounted, without its slash."""
    return framed(_shell(base), title, here, *content)


def script(base: str, name: str) -> Markup:
    """A script of the shared files, for the one page that needs it."""
    static = (current_shell.get() or _shell(base)).static
    return tag("script", src=f"{static}/{name}", defer=True)


def charts_files(base: str) -> list[Markup]:
    """What a page with charts loads."""
    return chart_files((current_shell.get() or _shell(base)).static)


def _shell(base: str) -> Shell:
    links = (
        Link("Overview", f"{base}/", "o"),
        Link("Interactions", f"{base}/interactions", "i"),
        Link("Sessions", f"{base}/sessions", "s"),
    )
    return Shell("traces", links, f"{base}/static")


def message_page(base: str, title: str, words: str) -> str:
    return page(base, title, "", tag("h1", title), tag("p", words, class_="failure"))


def badge(status: str) -> Markup:
    return tag(
        "span", status, class_=f"badge {status if status in ('ok', 'error', 'refused', 'cancelled') else 'other'}"
    )


def linked(base: str, chosen: Filter, field: str, names: Sequence[str]) -> list[Child]:
    """Names, each a link to what has that name."""
    shown: list[Child] = []
    for name in names:
        if name:
            link = tag("a", name, href=address(base, "/interactions", chosen, **{field: name}), class_="plain")
            shown += [", ", link] if shown else [link]
    return shown


def nothing() -> Markup:
    return join(tag("p", "No requests here: choose a longer time or fewer conditions.", class_="empty panel"))


def marked(text: str, search: str) -> list[Child]:
    """The text with each place that was searched for marked."""
    if not search:
        return [text] if text else []
    parts: list[Child] = []
    lower, wanted, start = text.lower(), search.lower(), 0
    while (at := lower.find(wanted, start)) >= 0 and len(lower) == len(text):
        parts += [text[start:at], tag("mark", text[at : at + len(search)])]
        start = at + len(search)
    return [*parts, text[start:]] if text else []
