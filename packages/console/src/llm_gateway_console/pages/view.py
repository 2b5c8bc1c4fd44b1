"""What a page is made from: the request, who is signed in, and the gateway."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from llm_gateway_sdk.admin import Role
from llm_gateway_sdk.page_host import AdminAnswer, PageHost
from llm_gateway_sdk.web import Child, Markup, Shell, page, tag

from ..sessions import Session, can

__all__ = ["View", "ago", "dollars", "moment", "table"]


@dataclass(frozen=True, slots=True)
class View:
    request: Request
    host: PageHost
    session: Session
    base: str
    form: Mapping[str, str]
    signed_in_principals: bool

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    def can(self, role: Role) -> bool:
        return can(self.session.role, role)

    async def ask(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None, etag: str = ""
    ) -> AdminAnswer:
        """Calls the administration API as who is signed in, with no more rights than that."""
        address = self.request.client.host if self.request.client else ""
        return await self.host.administer(
            method, path, by=self.session.name, role=self.session.role, address=address, query=query, body=body,
            etag=etag or None,
        )  # fmt: skip

    def page(self, title: str, *content: Child, status: int = 200, here: str | None = None) -> Response:
        shell = Shell("console", (), f"{self.base}/static")
        return HTMLResponse(page(shell, title, title if here is None else here, tag("h1", title), *content), status)

    def lacks(self, **needed: str) -> Markup | None:
        """What a page offers to higher roles than that of who is signed in, as a sentence; None where that is all.
        `needed` maps a role to what it may do."""
        lacking = [(role, what) for role, what in needed.items() if not can(self.session.role, role)]  # type: ignore[arg-type]
        words = " ".join(f"{what} needs the role {role}." for role, what in lacking)
        return tag("p", f"You are signed in as {self.session.role}. {words}", class_="sub") if lacking else None

    def denied(self, label: str, role: Role) -> Markup:
        """In place of what a higher role may do: a button that does nothing, with the reason."""
        reason = f"needs the role {role}"
        return tag("button", label, type="button", disabled=True, title=reason, aria_label=f"{label} ({reason})")

    def message(self, title: str, text: str, status: int) -> Response:
        return self.page(title, tag("p", text, class_="panel empty"), status=status, here="")

    def token(self) -> Markup:
        """The hidden field that each form needs."""
        return tag("input", type="hidden", name="token", value=self.session.token)

    def address(self, path: str, **query: str) -> str:
        written = urlencode({name: value for name, value in query.items() if value})
        return f"{self.base}{path}{'?' if written else ''}{written}"

    def traces(self, **query: str) -> str | None:
        """The address of recorded requests that match; None where nothing is recorded."""
        if all(area.path != "traces" for area in self.host.areas()):
            return None
        return self.address("/traces/interactions", **query)

    def overview(self, **query: str) -> str | None:
        """The address of what such requests add up to, by model, key and time; None where nothing is recorded."""
        return self.address("/traces/", **query) if self.traces() else None


def moment(seconds: float | None) -> Child:
    """A moment in UTC; the browser shows it in its own zone as a hint."""
    if seconds is None:
        return "–"
    when = datetime.fromtimestamp(seconds, UTC)
    text = when.strftime("%Y-%m-%d %H:%M:%S")
    return tag("time", f"{text} UTC", datetime=when.isoformat(), title=ago(time.time() - seconds))


def dollars(amount: float) -> str:
    if 0 < amount < 0.0001:
        return "under $0.0001"
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:,.4f}"


def ago(seconds: float) -> str:
    """A span of time from or to now, in words."""
    size = abs(seconds)
    for length, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if size >= 2 * length:
            return f"{size / length:.0f} {name} ago" if seconds > 0 else f"in {size / length:.0f} {name}"
    return "now"


def table(
    heads: Sequence[Child],
    rows: Sequence[Sequence[Child]],
    *,
    empty: str,
    numbers: Collection[str] = (),
    order: tuple[str, str] = ("", ""),
) -> Markup:
    """A table whose rows become cards on a phone. Columns of `numbers` are right-aligned; a heading may be a link.
    `order` is the heading by which the rows are in order, and ascending or descending."""
    if not rows:
        return tag("p", empty, class_="panel empty")
    names = [_text(head) for head in heads]
    looks = ["number" if name in numbers else None for name in names]
    head = [
        tag("th", head, scope="col", aria_sort=order[1] if name and name == order[0] else None, class_=look)
        for head, name, look in zip(heads, names, looks, strict=True)
    ]

    def cells(row: Sequence[Child]) -> list[Markup]:
        each = zip(row, names, looks, strict=True)
        return [tag("td", cell, data_name=name or None, class_=look) for cell, name, look in each]

    return tag(
        "div",
        tag("table", tag("thead", tag("tr", head)), tag("tbody", [tag("tr", cells(row)) for row in rows]),
            class_="cards"),
        class_="scroll panel",
        tabindex="0",
        role="region",
        aria_label=", ".join(names),
    )  # fmt: skip


def _text(head: Child) -> str:
    """The words of a heading."""
    return unescape(re.sub("<[^<>]*>", "", head)) if isinstance(head, Markup) else str(head)
