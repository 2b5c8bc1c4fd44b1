"""What a limit would have done: recorded requests are played against it, and nothing is sent or counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from starlette.responses import Response

from llm_gateway_sdk.web import Child, Markup, tag
from llm_gateway_sdk.wire import json

from ..areas import fetched
from .view import View, table

__all__ = ["played", "shown"]

_SPANS: Final = {"24h": "the last day", "7d": "the last 7 days", "30d": "the last 30 days"}
_MEASURES: Final = {"requests": "requests", "tokens": "tokens", "cost": "cost"}
_WINDOWS: Final[Mapping[str, tuple[str, Any]]] = {
    "1m": ("in any minute", "1m"),
    "1h": ("in any hour", "1h"),
    "day": ("each day (UTC)", {"calendar": "day"}),
    "week": ("each week (UTC)", {"calendar": "week"}),
    "month": ("each month (UTC)", {"calendar": "month"}),
}
_PER: Final = ("key", "user", "team", "project", "model")
_SHOWN: Final = 20


async def shown(view: View) -> Response:
    return _page(view, {"measure": "cost", "amount": "10 USD", "window": "day", "per": "team", "span": "7d"})


async def played(view: View) -> Response:
    """The result for the limit of the form."""
    form = view.form
    span = form.get("span", "7d") if form.get("span") in _SPANS else "7d"
    try:
        limit = _limit(form)
        records = await _records(view, span)
        if records is None:
            return view.message("Simulate a limit", "No requests are recorded: no project has a tracer.", 404)
        [result] = await asyncio.to_thread(_play, limit, records)
    except (ValueError, LookupError) as error:
        problem = str(error).replace("limits[0].", "")
        return _page(view, form, tag("p", problem, class_="failure", role="alert"), status=400)
    return _page(view, form, _result(result, len(records), _SPANS[span]))


def _limit(form: Mapping[str, str]) -> dict[str, Any]:
    measure, window = form.get("measure", ""), form.get("window", "")
    if measure not in _MEASURES or window not in _WINDOWS:
        raise ValueError("Choose what is counted, and in which window.")
    amount = form.get("amount", "").strip()
    written: int | str = int(amount) if amount.isdecimal() and measure != "cost" else amount
    per = [name for name in form.get("per", "").split(",") if name in _PER]
    return {"name": "simulated", measure: written, "window": _WINDOWS[window][1], "per": per}


async def _records(view: View, span: str) -> list[dict[str, Any]] | None:
    body = await fetched(view.host, "traces", "/records.jsonl", f"range={span}")
    if body is None:
        return None
    return await asyncio.to_thread(lambda: [json.loads(line) for line in body.split(b"\n") if line])


def _play(limit: dict[str, Any], records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By the plugin that would enforce it. Raises LookupError where it is not installed, ValueError for its reasons."""
    found = list(entry_points(group="llm_gateway.plugins", name="limits"))
    if not found:
        raise LookupError("The plugin limits is not installed.")
    rows: list[dict[str, Any]] = found[0].load().simulate({"limits": [limit]}, records)
    return rows


def _page(view: View, form: Mapping[str, str], *result: Child, status: int = 200) -> Response:
    return view.page("Simulate a limit", _form(view, form), *result, status=status, here="Limits")


def _form(view: View, form: Mapping[str, str]) -> Markup:
    def choice(label: str, name: str, options: Mapping[str, str]) -> Markup:
        chosen = form.get(name, "")
        made = [tag("option", text, value=value, selected=value == chosen) for value, text in options.items()]
        return tag("label", label, tag("select", made, name=name))

    per = {"": "all callers together", **{name: f"each {name}" for name in _PER}, "team,model": "each team and model"}
    return tag(
        "form",
        view.token(),
        choice("What is counted", "measure", _MEASURES),
        tag("label", "At most", tag("input", name="amount", value=form.get("amount", ""), required=True)),
        choice("Window", "window", {key: text for key, (text, _) in _WINDOWS.items()}),
        choice("For", "per", per),
        choice("Replayed requests of", "span", _SPANS),
        tag("button", "Simulate", class_="primary"),
        method="post",
        action=f"{view.base}/limits/simulate",
        class_="panel fields",
    )


def _result(result: Mapping[str, Any], played_: int, span: str) -> list[Child]:
    seen, refused = result["seen"], result["refused"]
    share = f" ({100 * refused / seen:.1f} %)" if seen else ""
    lines = [
        tag("p", tag("b", f"{refused:,} of {seen:,} requests"), f" of {span} would have been refused{share}."),
        tag("p", f"{result['skipped']:,} requests were left out: they have no tokens or no price.")
        if result["skipped"]
        else None,
        tag("p", f"{played_ - seen - result['skipped']:,} requests lack what the limit counts per, and pass.")
        if played_ > seen + result["skipped"]
        else None,
    ]
    # A recorded key has a name alone, and no source before the colon.
    rows = [
        (", ".join(each.removeprefix(":") for each in whom.split(", ")) or "(none)", f"{number:,}")
        for whom, number in result["bySubject"][:_SHOWN]
    ]
    return [
        tag("section", lines, class_="panel", role="status"),
        table(("Applies to", "Refused"), rows, numbers=("Refused",), empty="The limit would have refused nothing."),
    ]
