"""Which keys a page shows: those of a search and a state, in an order, a page at a time.

The administration API gives keys by id. Up to some thousand are read and put into order here, by what they spent for
example; of more, a page shows those of one page of the API, and a search narrows them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.page_host import AdminAnswer
from llm_gateway_sdk.web import Child, Markup, tag

from ..areas import AreaFailure, recorded_by
from .view import View

__all__ = ["SPAN", "Choice", "Found", "chosen", "condition", "heading", "marked", "pages", "read", "state_of", "states"]

PAGE: Final = 100
SPAN: Final = "30d"
_READ: Final = 1000
SORTED: Final = 3000
"""As many keys as this, and more, stay in the order of their ids."""
_KNOWN: Final = 10_000
"""Callers whose figures the area gives at most."""
_STATES: Final = ("active", "unused", "expired", "revoked")
_ORDERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "name": ("Name", "by name", "ascending"),
    "owner": ("Owner", "by team", "ascending"),
    "cost": ("Last 30 days", "those that spent most first", "descending"),
    "newest": ("Created", "the newest first", "descending"),
}
"""The heading that asks for an order, its words, and its direction."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader has chosen."""

    q: str = ""
    team: str = ""
    """Only keys of exactly this team."""
    state: str = ""
    order: str = "name"
    skip: int = 0
    after: str = ""

    def query(self) -> dict[str, str]:
        """The other way round, without the page."""
        return {
            "q": self.q,
            "of_team": self.team,
            "state": self.state,
            "order": "" if self.order == "name" else self.order,
        }


@dataclass(slots=True)
class Found:
    choice: Choice
    items: list[Mapping[str, Any]] = field(default_factory=list)
    """The keys of the page."""
    following: str = ""
    """The API's way to the next page, where there are too many keys to put into order."""
    whole: int | None = None
    """How many keys there are of this choice; None where that is not known."""
    by_state: Counter[str] = field(default_factory=Counter)
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problem: AdminAnswer | None = None
    slow: str = ""
    """Why there are no figures."""

    def used(self, key: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return self.figures.get(key["name"])

    def knows(self, key: Mapping[str, Any]) -> bool:
        """Whether the figures have this key, or show that it was not used."""
        return not self.slow and (key["name"] in self.figures or len(self.figures) < _KNOWN)

    def count(self) -> str:
        """In words."""
        number = len(self.items) if self.whole is None else self.whole
        words = f"{number:,} key{'s' * (number != 1)}"
        if self.whole is None:
            return f"{words} on this page, by id: there are too many to put into order. Search to narrow them."
        if self.whole > len(self.items) > 0:
            first = self.choice.skip + 1
            return f"{words}, {first:,} to {first + len(self.items) - 1:,} shown"
        return words


def chosen(fields: Mapping[str, str], q: str) -> Choice:
    """From an address or a form; what is unknown is ignored."""
    state, order = fields.get("state", ""), fields.get("order", "")
    return Choice(
        q=q,
        team=fields.get("of_team", "")[:200],
        state=state if state in _STATES else "",
        order=order if order in _ORDERS else "name",
        skip=whole_number(fields.get("skip")) or 0,
        after=fields.get("after", "")[:100],
    )


def state_of(key: Mapping[str, Any]) -> str:
    """active, expired or revoked."""
    expires = key.get("expires")
    return "expired" if expires and expires < time.time() and key["state"] == "active" else str(key["state"])


async def read(view: View, choice: Choice) -> Found:
    """The keys of a page, with what they spent."""
    found = Found(choice)
    try:
        found.figures = await recorded_by(view.host, "caller", {"range": SPAN}, with_last=True)
    except AreaFailure as failure:
        found.slow = str(failure)
    keys, after = await _keys(view, found)
    if after or choice.after:
        found.items = keys[:PAGE]
        found.following = str(found.items[-1]["id"]) if after or len(keys) > PAGE else ""
        return found
    found.by_state.update(state_of(key) for key in keys)
    found.by_state["unused"] = sum(_is_unused(found, key) for key in keys)
    ordered = sorted((key for key in keys if _has(found, key, choice.state)), key=_orders(found)[choice.order])
    found.whole = len(ordered)
    found.items = ordered[choice.skip : choice.skip + PAGE]
    return found


async def _keys(view: View, found: Found) -> tuple[list[Mapping[str, Any]], str]:
    """All keys of the search, or one page of them where there are too many; and where the next ones begin."""
    keys: list[Mapping[str, Any]] = []
    choice, after = found.choice, found.choice.after
    size = PAGE if choice.after else _READ
    while True:
        given = {name: value for name, value in (("after", after), ("q", choice.q or choice.team)) if value}
        answer = await view.ask("GET", "/keys", query={"limit": str(size), **given})
        if not answer.ok:
            found.problem = answer
            return [], ""
        keys += (key for key in answer.body["items"] if not choice.team or key.get("team") == choice.team)
        after = answer.body["next"] or ""
        if not after or choice.after or len(keys) >= SORTED:
            return keys, after


def _is_unused(found: Found, key: Mapping[str, Any]) -> bool:
    return state_of(key) == "active" and found.knows(key) and found.used(key) is None


def _has(found: Found, key: Mapping[str, Any], state: str) -> bool:
    return not state or (_is_unused(found, key) if state == "unused" else state_of(key) == state)


def _orders(found: Found) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    def name(key: Mapping[str, Any]) -> str:
        return str(key["name"]).casefold()

    def spent(key: Mapping[str, Any]) -> tuple[float, float, str]:
        used = found.used(key) or {}
        return -float(used.get("cost") or 0), -float(used.get("requests") or 0), name(key)

    return {
        "name": name,
        "owner": lambda key: (not key.get("team"), str(key.get("team", "")).casefold(), name(key)),
        "cost": spent,
        "newest": lambda key: -float(key.get("created") or 0),
    }


def heading(view: View, found: Found, name: str) -> Child:
    """A link to the order that the column asks for; plain where the keys are in no order."""
    order = next((order for order, (head, *_) in _ORDERS.items() if head == name), None)
    if order is None or found.whole is None:
        return name
    href = view.address("/keys", **{**found.choice.query(), "order": order})
    return tag("a", name, href=href, title=f"Sort: {_ORDERS[order][1]}")


def marked(found: Found) -> tuple[str, str]:
    """The heading of the order in use, and its direction."""
    title, _, direction = _ORDERS[found.choice.order]
    return (title, direction) if found.whole is not None else ("", "")


def states(view: View, found: Found) -> Markup | None:
    """Links to the keys of each state, with their numbers."""
    if found.whole is None or not found.by_state.total():
        return None
    whole = sum(number for state, number in found.by_state.items() if state != "unused")
    shown = [("", "all", whole), *((state, state, found.by_state[state]) for state in _STATES)]
    links = [
        tag("a", f"{name} ", tag("span", f"{number:,}"), aria_current="true" if state == found.choice.state else None,
            href=view.address("/keys", **{**found.choice.query(), "state": state}))
        for state, name, number in shown
        if number or not state or state == found.choice.state
    ]  # fmt: skip
    return tag("div", tag("nav", links, class_="ranges counts", aria_label="State"), class_="controls")


def condition(view: View, choice: Choice) -> Markup | None:
    """The team whose keys are shown, with the way back to those of all."""
    if not choice.team:
        return None
    href = view.address("/keys", **{**choice.query(), "of_team": ""})
    words = f"team {choice.team}"
    return tag(
        "p", tag("a", f"× {words}", href=href, title=f"Without this condition: {words}", class_="button condition")
    )


def pages(view: View, found: Found) -> list[Markup]:
    """Links to the pages next to this one."""
    choice, links = found.choice, []
    if choice.after:
        links.append(("First page", view.address("/keys", **choice.query())))
    if choice.skip:
        links.append(("Previous page", view.address("/keys", **choice.query(), skip=str(max(0, choice.skip - PAGE)))))
    if found.following:
        links.append(("Next page", view.address("/keys", **choice.query(), after=found.following)))
    elif found.whole is not None and choice.skip + PAGE < found.whole:
        links.append(("Next page", view.address("/keys", **choice.query(), skip=str(choice.skip + PAGE))))
    return [tag("a", words, href=href, class_="button") for words, href in links]
