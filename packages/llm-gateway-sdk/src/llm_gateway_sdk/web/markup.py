"""HTML that is escaped unless it was built here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, Final

from ..wire import json

__all__ = ["Child", "Markup", "data_block", "join", "tag"]

_VOID: Final = frozenset({"br", "input", "link", "meta", "hr", "rect", "polyline", "line", "circle"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Markup | int | float | Iterable["Child"] | None


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """An element. `class_` and `for_` lose their underscore, others become dashes; None and False leave one out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID and not children:
        return Markup(f"<{name}{written}>" if name in ("br", "input", "link", "meta", "hr") else f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Child) -> Markup:
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(escape(children))
    if isinstance(children, int | float):
        return Markup(children)
    return Markup("".join(join(child) for child in children))


def data_block(value: Any) -> Markup:
    """JSON in the page for a script of the page, which no browser runs and no text in it can end."""
    written = json.dumps_text(value)
    for sign in "<>&":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(f'<script type="application/json">{written}</script>')


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
