"""The frame around a page: head, navigation, keys, and who is signed in.

An area of a console (the tracer's pages, for example) is written as if it were alone. Where a console shows it, the
console sets `current_shell` for the request, and the frame becomes the console's.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from .markup import Child, Markup, tag

__all__ = ["Link", "Shell", "SignedIn", "current_shell", "page"]


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the navigation."""

    title: str
    href: str
    key: str | None = None
    """The key that leads there."""
    denied: str = ""
    """Why it leads nowhere for who is signed in."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who sees the page."""

    name: str
    role: str
    sign_out: str
    """The address of the form that signs out."""
    token: str
    """The token against forged requests, sent with each form."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What is around the pages of one application."""

    name: str
    links: Sequence[Link]
    static: str
    """The address of the shared files, without a slash at its end."""
    scripts: Sequence[str] = ()
    """Addresses of further scripts."""
    user: SignedIn | None = None
    playground: str | None = None
    """The address where a recorded request can be sent again, by the query parameter `replay`."""
    explain: str | None = None
    """The address that explains why a request was refused, by the query parameter `request`."""


current_shell: ContextVar[Shell | None] = ContextVar("current_shell", default=None)
"""The shell of the application that shows the page; None where an area is served alone."""

_KEYS: Final = (
    ("/", "search"),
    ("j k", "next and previous row"),
    ("Enter", "open the row"),
    ("t", "light or dark"),
    ("?", "this list"),
    ("Esc", "close, or leave the search"),
)


def page(own: Shell, title: str, here: str, *content: Child) -> str:
    """A whole page. `own` is its shell where no other application shows it; `here` is the title of its link."""
    shell = current_shell.get() or own
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · {shell.name}"),
        tag("link", rel="icon", href=f"{shell.static}/icon.svg"),
        tag("link", rel="stylesheet", href=f"{shell.static}/style.css"),
        [tag("script", src=src, defer=True) for src in (f"{shell.static}/app.js", *shell.scripts)],
    )
    body = tag("body", _top(shell, here), tag("main", content, id="content", tabindex="-1"), _help(shell.links))
    return "<!doctype html>" + tag("html", head, body, lang="en")


def _top(shell: Shell, here: str) -> Markup:
    links = [
        tag("a", link.title, href=link.href, aria_current="page" if here == link.title else None, data_go=link.key)
        if not link.denied
        else tag("a", link.title, role="link", aria_disabled="true", title=link.denied)
        for link in shell.links
    ]
    return tag(
        "header",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("strong", "LLM Gateway ", tag("span", shell.name)),
        tag("nav", links, aria_label="Pages"),
        _user(shell.user),
        tag(
            "button",
            "◐",
            id="theme",
            type="button",
            title="Light or dark (t)",
            aria_label="Switch between light and dark",
        ),
        tag("button", "?", id="keys", type="button", title="Keys (?)", aria_label="Show the keys"),
    )


def _user(user: SignedIn | None) -> Markup | None:
    if user is None:
        return None
    return tag(
        "form",
        tag("input", type="hidden", name="token", value=user.token),
        tag("span", user.name, " ", tag("small", user.role), class_="who", title=f"{user.name}, {user.role}"),
        tag("button", "Sign out"),
        method="post",
        action=user.sign_out,
        class_="user",
    )


def _help(links: Sequence[Link]) -> Markup:
    keys = [*_KEYS[:3], *((link.key, link.title.lower()) for link in links if link.key and not link.denied), *_KEYS[3:]]
    return tag(
        "dialog",
        tag("h2", "Keys"),
        tag("dl", [(tag("dt", tag("kbd", key)), tag("dd", meaning)) for key, meaning in keys]),
        tag("form", tag("button", "Close"), method="dialog"),
        id="help",
        aria_label="Keys",
    )
