"""Other amounts for some subjects of a limit, given and ended by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from llm_gateway_sdk.web import Markup, tag
from llm_gateway_sdk.wire import json

from .view import View, moment, table

__all__ = ["UNTIL", "ended", "form", "made", "raising", "section"]

UNTIL: Final = {
    "hour": ("for an hour", 3600.0),
    "day": ("for a day", 86400.0),
    "week": ("for a week", 7 * 86400.0),
    "": ("permanently", None),
}


async def made(view: View) -> Response:
    """From the form of a meter: a limit, its subject, an amount, and for how long."""
    fields = view.form
    seconds = UNTIL.get(fields.get("until", ""), UNTIL["day"])[1]
    subject = _subject(fields)
    if subject is None:
        return view.message("Limits", "Write the subject as `team=research, model=gpt`.", 400)
    amount = fields.get("amount", "").strip()
    body: dict[str, Any] = {
        "limit": fields.get("limit", ""), "subject": subject, "amount": amount or None,
        "reason": fields.get("reason", "").strip(),
    }  # fmt: skip
    if seconds is not None:
        body["until"] = time.time() + seconds
    answer = await view.ask("POST", "/limits/overrides", body=body)
    if not answer.ok:
        return view.message("Limits", answer.detail, answer.status)
    return RedirectResponse(view.address("/limits", done="The limit has another amount."), 303)


async def ended(view: View) -> Response:
    """Ends an override at once."""
    override = view.form.get("id", "")
    answer = await view.ask("DELETE", f"/limits/overrides/{override if override.isalnum() else 'unknown'}")
    if not answer.ok:
        return view.message("Limits", answer.detail, answer.status)
    return RedirectResponse(view.address("/limits", done="The override has ended."), 303)


def _subject(form: Mapping[str, str]) -> dict[str, str] | None:
    """From a meter as JSON, or written by hand; None where it is neither."""
    try:
        if "whom" not in form:
            found = json.loads(form.get("subject", "") or "{}")
            return found if isinstance(found, dict) else None
        pairs = [each.partition("=") for each in form["whom"].split(",") if each.strip()]
    except ValueError:
        return None
    written = {name.strip(): value.strip() for name, _, value in pairs}
    return written if all(written) and all(written.values()) else None


def raising(view: View, row: Mapping[str, Any]) -> Markup:
    """The form that gives the subject of a meter another amount."""
    if not view.can("admin"):
        return view.denied("Change…", "admin")
    named = f"{row['limit']} {', '.join(row['subject'].values())}".strip()
    hint = "80 USD" if row["measure"] == "cost" else "100000"
    return tag(
        "details",
        tag("summary", "Change…"),
        tag(
            "form",
            view.token(),
            tag("input", type="hidden", name="limit", value=row["limit"]),
            tag("input", type="hidden", name="subject", value=json.dumps_text(dict(row["subject"]))),
            tag("label", "Amount", tag("input", name="amount", placeholder=hint, required=True)),
            *_duration_and_reason(),
            tag("button", "Set", aria_label=f"Set another amount for {named}"),
            method="post",
            action=f"{view.base}/limits/raise",
        ),
    )


def _duration_and_reason() -> tuple[Markup, Markup]:
    choices = [tag("option", text, value=key, selected=key == "day") for key, (text, _) in UNTIL.items()]
    return (
        tag("label", "For how long", tag("select", choices, name="until")),
        tag("label", "Reason", tag("input", name="reason", maxlength=200)),
    )


def form(view: View, rules: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The form for those without a meter, as nothing was counted for them yet."""
    if not rules:
        return None
    if not view.can("admin"):
        return tag("p", view.denied("Override an amount…", "admin"))
    options = [
        tag("option", f"{rule['name']} (per {', '.join(rule['per'])})" if rule["per"] else rule["name"],
            value=rule["name"])
        for rule in rules
    ]  # fmt: skip
    return tag(
        "details",
        tag("summary", "Override an amount…"),
        tag(
            "form",
            view.token(),
            tag("label", "Limit", tag("select", options, name="limit")),
            tag("label", "Subject (empty: all callers)", tag("input", name="whom", placeholder="team=research")),
            tag("label", "Amount", tag("input", name="amount", required=True, placeholder="80 USD, or 100000")),
            *_duration_and_reason(),
            tag("button", "Set", class_="primary"),
            method="post",
            action=f"{view.base}/limits/raise",
            class_="fields",
        ),
        class_="panel",
    )


def section(view: View, items: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """The overrides that hold."""
    now = time.time()
    rows = [
        (
            str(each["limit"]),
            ", ".join(f"{name} {value}" for name, value in each["subject"].items()) or "all callers",
            str(each["amount"]) if each["amount"] is not None else "no limit",
            moment(each["until"]) if each["until"] else "permanently",
            [each["reason"] or "–", tag("div", f"by {each['createdBy']}", class_="sub")],
            _ending(view, each),
        )
        for each in items
        if each["until"] is None or each["until"] > now
    ]
    heads = ("Limit", "Applies to", "Amount", "Until", "Reason", "Change")
    return [tag("h2", "Overrides"), table(heads, rows, empty="No amount was changed at run time.")]


def _ending(view: View, override: Mapping[str, Any]) -> Markup:
    if not view.can("operator"):
        return view.denied("End", "operator")
    return tag(
        "form",
        view.token(),
        tag("input", type="hidden", name="id", value=override["id"]),
        tag("button", "End", aria_label=f"End the override of {override['limit']}", class_="danger"),
        method="post",
        action=f"{view.base}/limits/end",
    )
