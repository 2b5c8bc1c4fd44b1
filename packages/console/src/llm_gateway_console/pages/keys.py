"""Keys: who holds which, and making, rotating and revoking them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from llm_gateway_sdk.page_host import AdminAnswer
from llm_gateway_sdk.web import Child, Markup, tag

from . import key_list
from .key_list import SPAN, Choice, Found
from .view import View, ago, dollars, moment, table

__all__ = ["created", "listed", "revoked", "rotated", "searched"]

_GRACES: Final = (("0", "at once"), ("3600", "in an hour"), ("86400", "in a day"), ("604800", "in a week"))
_LISTS: Final = ("models", "projects")
_HEADS: Final = ("Name", "Owner", "Allowed", "Last 30 days", "State", "Created", "Change")


async def listed(view: View) -> Response:
    """The keys, those of one page of the administration API's."""
    return await _page(view)


async def searched(view: View) -> Response:
    """A search is a form that is sent, not an address: somebody may paste a whole key."""
    return RedirectResponse(view.address("/keys", q=_searched(view.form.get("q", ""))), 303)


async def created(view: View) -> Response:
    body: dict[str, Any] = {"name": view.form.get("name", "").strip()}
    for name in ("user", "team"):
        if value := view.form.get(name, "").strip():
            body[name] = value
    for name in _LISTS:
        if values := [each.strip() for each in view.form.get(name, "").split(",") if each.strip()]:
            body[name] = values
    if written := view.form.get("expires", ""):
        try:
            body["expires"] = datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return await _page(view, problem=f"“{written[:40]}” is not a date.")
    return await _after(view, await view.ask("POST", "/keys", body=body), "has been created")


async def rotated(view: View) -> Response:
    grace = view.form.get("grace", "0")
    seconds = int(grace) if grace.isdecimal() and len(grace) < 10 else 0
    answer = await view.ask("POST", _path(view, "rotate"), body={"grace": seconds}, etag=view.form.get("etag", ""))
    return await _after(view, answer, "has another secret")


async def revoked(view: View) -> Response:
    return await _after(view, await view.ask("POST", _path(view, "revoke")), "has been revoked")


def _path(view: View, what: str) -> str:
    key = view.form.get("id", "")
    return f"/keys/{key if key.isalnum() else 'unknown'}/{what}"


async def _after(view: View, answer: AdminAnswer, done: str) -> Response:
    if not answer.ok:
        return await _page(view, problem=answer.detail, status=answer.status)
    body = answer.body if isinstance(answer.body, dict) else {}
    name = f"The key “{body['name']}”" if body.get("name") else "The key"
    return await _page(view, notice=f"{name} {done}.", secret=body.get("key"))


async def _page(
    view: View, *, notice: str = "", problem: str = "", secret: str | None = None, status: int = 200
) -> Response:
    wanted = _searched(view.query.get("q") or view.form.get("q", ""))
    choice = key_list.chosen({**view.form, **view.query}, wanted)
    found = await key_list.read(view, choice)
    if found.problem is not None:
        text = "No project has the plugin virtual-keys." if found.problem.status == 404 else found.problem.detail
        return view.message("Keys", text, found.problem.status)
    search = tag(
        "form",
        view.token(),
        tag("input", type="search", name="q", value=wanted, placeholder="Name, team, user, id, or a key's beginning…",
            aria_label="Search", id="search"),
        tag("button", "Show"),
        class_="controls",
        method="post",
        action=f"{view.base}/keys/search",
    )  # fmt: skip
    problem = problem or found.slow
    return view.page(
        "Keys",
        tag("p", notice, class_="done", role="status") if notice else None,
        tag("p", problem, class_="failure", role="alert") if problem else None,
        _secret(secret) if secret else None,
        _form(view, is_open=not found.items and not wanted),
        view.lacks(operator="Revoking a key", admin="Making and rotating keys"),
        search,
        key_list.condition(view, choice),
        key_list.states(view, found),
        tag("p", found.count()),
        table(
            [key_list.heading(view, found, name) for name in _HEADS],
            [_row(view, key, found) for key in found.items],
            empty="There are no such keys.",
            order=key_list.marked(found),
        ),
        key_list.pages(view, found),
        status=status,
    )


def _searched(written: str) -> str:
    """What to search for: of a pasted key, or its beginning, the id alone (`gw_<id>_<secret>`)."""
    written = written.strip()
    return written.removeprefix("gw_").partition("_")[0] if written.startswith("gw_") else written


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _secret(secret: str) -> Markup:
    return tag(
        "div",
        tag("p", "Copy the key now: it is shown only once."),
        tag("p", tag("code", secret, id="made-key"), " ", tag("button", "Copy", type="button", data_copy="made-key")),
        class_="panel made",
    )


def _row(view: View, key: Mapping[str, Any], found: Found) -> tuple[Child, ...]:
    holder = [f"{kind} {key[kind]}" for kind in ("user", "team", "org") if key.get(kind)]
    traced = view.traces(caller=key["name"], range=SPAN)
    rights = [f"{name}: {', '.join(key[name])}" for name in _LISTS if key.get(name)]
    expires, state = key.get("expires"), key_list.state_of(key)
    return (
        [
            tag("a", key["name"], href=traced) if traced else key["name"],
            tag("div", tag("code", key["id"]), class_="sub"),
        ],
        ", ".join(holder) or "–",
        [tag("div", right) for right in rights] or "everything",
        _use(view, key["name"], found.used(key)) if traced and found.knows(key) else "–",
        [
            tag("span", state, class_=f"badge {'ok' if state == 'active' else 'error'}"),
            tag("div", "until ", moment(expires), class_="sub") if expires else None,
            tag("div", "former secret until ", moment(key["formerUntil"]), class_="sub")
            if key.get("formerUntil")
            else None,
        ],
        [
            moment(key.get("created")),
            tag("div", f"by {key['createdBy']}", class_="sub") if key.get("createdBy") else None,
        ],
        _changes(view, key, found.choice) if key["state"] == "active" else "–",
    )


def _use(view: View, name: str, used: Mapping[str, Any] | None) -> Child:
    """What a key has spent, its requests and failures, and when it was used last."""
    if used is None:
        return "not used"
    requests, errors = used["requests"], used["errors"]
    listed, failed = (view.traces(caller=name, range=SPAN, **more) for more in ({}, {"status": "failed"}))
    return [
        dollars(float(used["cost"] or 0)),
        tag(
            "div",
            tag("a", _count(requests, "request"), href=listed),
            [", ", tag("a", f"{errors:,} failed", href=failed)] if errors else None,
            class_="sub",
        ),
        tag("div", "last used ", ago(time.time() - used["last"]), class_="sub") if used.get("last") else None,
    ]


def _changes(view: View, key: Mapping[str, Any], choice: Choice) -> list[Child]:
    """Forms; the page that follows shows the same keys."""
    hidden = {"id": key["id"], **choice.query()}
    fields = [view.token(), [tag("input", type="hidden", name=name, value=value) for name, value in hidden.items()]]
    found: list[Child] = []
    if view.can("operator"):
        revoke = tag(
            "form",
            fields,
            tag("button", "Revoke permanently", class_="danger", aria_label=f"Revoke {key['name']} permanently"),
            method="post",
            action=f"{view.base}/keys/revoke",
        )
        found.append(tag("details", tag("summary", "Revoke…"), revoke))
    else:
        found.append(view.denied("Revoke…", "operator"))
    if view.can("admin"):
        grace = tag(
            "select",
            [tag("option", text, value=seconds) for seconds, text in _GRACES],
            name="grace",
            aria_label="The former secret ends",
        )
        rotate = tag(
            "form",
            fields,
            tag("label", "former secret ends ", grace),
            tag("button", "Rotate", aria_label=f"Rotate {key['name']}"),
            method="post",
            action=f"{view.base}/keys/rotate",
        )
        found.append(tag("details", tag("summary", "Rotate…"), rotate))
    else:
        found.append(view.denied("Rotate…", "admin"))
    return found


def _form(view: View, *, is_open: bool) -> Markup:
    if not view.can("admin"):
        return tag("p", view.denied("New key…", "admin"))

    def field(label: str, name: str, hint: str = "", **more: Any) -> Markup:
        return tag("label", label, tag("input", name=name, placeholder=hint or None, **more))

    return tag(
        "details",
        tag("summary", "New key…", class_="button primary"),
        tag(
            "form",
            view.token(),
            field("Name", "name", "reports", required=True, maxlength=200),
            field("Team", "team"),
            field("User", "user"),
            field("Models (comma-separated)", "models", "all"),
            field("Projects (comma-separated)", "projects", "all"),
            field("Expires (UTC)", "expires", type="datetime-local"),
            tag("button", "Create key", class_="primary"),
            method="post",
            action=f"{view.base}/keys",
            class_="panel fields",
        ),
        class_="new",
        open=is_open,
    )
