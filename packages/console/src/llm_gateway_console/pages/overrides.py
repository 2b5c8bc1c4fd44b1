"""Other amounts for some subjects of a limit, given and ended by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from llm_gateway_sdk.web import Markup, tag
from llm_gateway_sdk.wire import json

from .view import View, moment, table

__all__ = ["UNTIL", "ended", "made", "raising", "section"]

UNTIL: Final = {
    "hour": ("for an hour", 3600.0),
    "day": ("for a day", 86400.0),
    "week": ("for a week", 7 * 86400.0),
    "": ("for good", None),
}


async def made(view: View) -> Response:
    """From the form of a meter: a limit, its subject, an amount, and for how long."""
    form = view.form
    seconds = UNTIL.get(form.get("until", ""), UNTIL["day"])[1]
    try:
        subject = json.loads(form.get("subject", "") or "{}")
    except ValueError:
        subject = None
    if not isinstance(subject, dict):
        return view.message("Limits", "The subject is not valid.", 400)
    amount = form.get("amount", "").strip()
    body: dict[str, Any] = {
        "limit": form.get("limit", ""), "subject": subject, "amount": _number(amount) if amount else None,
        "reason": form.get("reason", "").strip(),
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


def _number(written: str) -> int | str:
    return int(written) if written.isdecimal() else written


def raising(view: View, row: Mapping[str, Any]) -> Markup | None:
    """The form that gives the subject of a meter another amount."""
    if not view.can("admin"):
        return None
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
            tag(
                "label",
                "For how long",
                tag(
                    "select",
                    [tag("option", text, value=key, selected=key == "day") for key, (text, _) in UNTIL.items()],
                    name="until",
                ),
            ),
            tag("label", "Reason", tag("input", name="reason", maxlength=200)),
            tag("button", "Set", aria_label=f"Set another amount for {named}"),
            method="post",
            action=f"{view.base}/limits/raise",
        ),
    )


def section(view: View, items: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """The overrides that hold."""
    now = time.time()
    rows = [
        (
            str(each["limit"]),
            ", ".join(f"{name} {value}" for name, value in each["subject"].items()) or "everybody",
            str(each["amount"]) if each["amount"] is not None else "no limit",
            moment(each["until"]) if each["until"] else "for good",
            [each["reason"] or "–", tag("div", f"by {each['createdBy']}", class_="sub")],
            _ending(view, each) or "–",
        )
        for each in items
        if each["until"] is None or each["until"] > now
    ]
    heads = ("Limit", "Whom", "Amount", "Until", "Reason", "Change")
    return [tag("h2", "Overrides"), table(heads, rows, empty="No amount was changed at run time.")]


def _ending(view: View, override: Mapping[str, Any]) -> Markup | None:
    if not view.can("operator"):
        return None
    return tag(
        "form",
        view.token(),
        tag("input", type="hidden", name="id", value=override["id"]),
        tag("button", "End", aria_label=f"End the override of {override['limit']}", class_="danger"),
        method="post",
        action=f"{view.base}/limits/end",
    )
