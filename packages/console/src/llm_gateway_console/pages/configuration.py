"""The configuration: what a reload would change, and what `check` reports of the file as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from llm_gateway_sdk.web import Child, Markup, tag

from .view import View, moment, table

__all__ = ["shown"]


async def shown(view: View) -> Response:
    """The running version next to the file."""
    file = await view.host.state("file")
    try:
        version = await view.host.state("version")
    except TimeoutError:
        return view.message("Configuration", "A worker does not answer in time.", 504)
    if "running" not in file:
        return view.page("Configuration", tag("p", str(file.get("error", "")), class_="panel empty"))
    changes, problems = file["changes"], file["problems"]
    return view.page(
        "Configuration",
        _facts(file, version),
        tag("h2", "Problems"),
        _listed(problems, "The file can be used.", bad=True),
        tag("h2", "What a reload would change"),
        _changes(changes, broken=bool(problems)),
        tag("h2", "Notices"),
        _listed(file["notices"], "No notices.", bad=False),
    )


def _facts(file: Mapping[str, Any], version: Mapping[str, Any]) -> Markup:
    taken = (version.get("last_reload") or {}).get("at")
    same = file["file"] == file["running"]
    facts: list[tuple[str, Child]] = [
        ("Running", tag("code", file["running"][:12])),
        ("File", tag("code", file["file"][:12]) if file["file"] else "can not be used"),
        ("State", tag("span", "the file is running" if same else "the file differs", class_="" if same else "bad")),
        ("Last reload", moment(taken) if taken else "none since the start"),
        (
            "Workers",
            f"{len(version['workers'])}, {'of one version' if version['consistent'] else 'of several versions'}",
        ),
    ]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="facts panel")


def _changes(changes: Sequence[Mapping[str, Any]], *, broken: bool) -> Markup:
    empty = "Unknown while the file has problems." if broken else "Nothing: the file is the running configuration."
    rows = [
        (
            tag("code", each["path"]),
            tag("del", each["running"]) if each["running"] is not None else "–",
            tag("ins", each["written"]) if each["written"] is not None else "–",
        )
        for each in changes
    ]
    return table(("Setting", "Running", "File"), rows, empty=empty)


def _listed(lines: Sequence[str], empty: str, *, bad: bool) -> Markup:
    if not lines:
        return tag("p", empty, class_="panel empty")
    return tag("ul", [tag("li", line) for line in lines], class_="failure" if bad else "panel lines")
