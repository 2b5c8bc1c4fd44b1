"""The bar above a page: time range, filters, search, time zone, refreshing. Each choice is part of the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from llm_gateway_sdk.web import Markup, calendar_spans, tag

from .figures import moment
from .filter import FAILED, RANGES, Filter

__all__ = ["address", "controls"]


def controls(
    base: str, path: str, chosen: Filter, offered: Mapping[str, Sequence[str]], *, search: str = "", tools: bool = False
) -> Markup:
    """`search` is the hint in the field of the search; without it there is none. `tools` offers to show only what
    called a tool."""
    ranges = [
        tag(
            "a",
            key,
            href=address(base, path, replace(chosen, since="", until=""), range=key),
            title=span.title,
            aria_current="true" if key == chosen.range and not chosen.since else None,
        )
        for key, span in RANGES.items()
    ]
    picked = dict(chosen.fields)
    boxes = [
        tag(
            "select",
            tag("option", name.title(), value=""),
            [
                tag("option", value, value=value, selected=picked.get(name) == value)
                for value in _choices(name, offered, picked)
            ],
            name=name,
            aria_label=name.title(),
        )
        for name in ("project", "model", "provider", "status", "team", "caller")
        if offered.get(name) or name in picked
    ]
    fixed = [
        [tag("input", type="hidden", name=name, value=picked[name]), _condition(base, path, chosen, name)]
        for name in ("session", "user", "kind")
        if name in picked
    ]
    field = (
        tag(
            "input",
            type="search",
            name="q",
            value=chosen.search,
            placeholder=search,
            aria_label="Search",
            id="search",
        )
        if search
        else None
    )
    form = tag(
        "form",
        tag("input", type="hidden", name="range", value=chosen.range),
        fixed,
        field,
        tag("details", tag("summary", _conditions(len(picked))), boxes, class_="filters", open=True) if boxes else None,
        tag("label", tag("input", type="checkbox", name="tools", value="1", checked=chosen.tools_only), " with tools")
        if tools
        else None,
        tag("button", "Show"),
        _reset(base, path, chosen) if picked or chosen.search or chosen.tools_only else None,
        method="get",
        action=f"{base}{path}",
    )
    return tag(
        "div", tag("nav", ranges, class_="ranges", aria_label="Time range"), form, _moments(base, path, chosen),
        class_="controls",
    )  # fmt: skip


def _condition(base: str, path: str, chosen: Filter, name: str) -> Markup:
    """A condition that has no field, with the way back to what is found without it."""
    others = tuple(pair for pair in chosen.fields if pair[0] != name)
    return tag(
        "a", f"× {name} {dict(chosen.fields)[name]}", href=address(base, path, replace(chosen, fields=others)),
        title=f"Without this condition: {name} {dict(chosen.fields)[name]}", class_="button condition",
    )  # fmt: skip


def _conditions(number: int) -> str:
    return f"Conditions ({number} chosen)" if number else "Conditions"


def _reset(base: str, path: str, chosen: Filter) -> Markup:
    nothing = replace(chosen, fields=(), search="", tools_only=False)
    return tag("a", "Clear", href=address(base, path, nothing), class_="button", title="Without any condition")


def _choices(name: str, offered: Mapping[str, Sequence[str]], picked: Mapping[str, str]) -> list[str]:
    values = [*offered.get(name, ()), *([picked[name]] if name in picked else [])]
    if name == "status" and any(value != "ok" for value in values):
        values = [FAILED, *values]
    return list(dict.fromkeys(values))


def _moments(base: str, path: str, chosen: Filter) -> Markup:
    """The range of the reader's own, the time zone, and whether the page refreshes itself."""
    kept = {name: value for name, value in chosen.query().items() if name not in ("since", "until", "tz")}
    zones = dict.fromkeys(["UTC", chosen.zone])
    return tag(
        "details",
        tag("summary", tag("b", _shown_span(chosen)), f" · times in {chosen.zone} · calendar · refresh"),
        tag(
            "nav",
            [
                tag(
                    "a",
                    name,
                    href=address(base, path, chosen, since=since, until=until),
                    aria_current="true" if (since, until) == (chosen.since, chosen.until) else None,
                )
                for name, (since, until) in calendar_spans(datetime.now(chosen.tzinfo)).items()
            ],
            class_="ranges",
            aria_label="Calendar",
        ),
        tag(
            "form",
            [tag("input", type="hidden", name=name, value=value) for name, value in kept.items()],
            tag("label", "From (UTC) ", tag("input", type="datetime-local", name="since", value=_local(chosen.since))),
            tag("label", "until ", tag("input", type="datetime-local", name="until", value=_local(chosen.until))),
            tag(
                "label",
                "time zone ",
                tag(
                    "select",
                    [tag("option", zone, value=zone, selected=zone == chosen.zone) for zone in zones],
                    name="tz",
                    id="zone",
                ),
            ),
            tag("label", tag("input", type="checkbox", id="live"), " refresh every 10 s"),
            tag("button", "Apply"),
            method="get",
            action=f"{base}{path}",
        ),
        class_="moments",
        open=bool(chosen.since or chosen.until),
    )


def _shown_span(chosen: Filter) -> str:
    if not chosen.since:
        return RANGES[chosen.range].title
    until = moment(chosen.until, chosen.tzinfo)[:16] if chosen.until else "now"
    return f"{moment(chosen.since, chosen.tzinfo)[:16]} – {until}"


def _local(moment_: str) -> str:
    return moment_.replace(" ", "T")[:16]


def address(base: str, path: str, chosen: Filter, **changes: str) -> str:
    return f"{base}{path}?{urlencode({**chosen.query(), **changes})}"
