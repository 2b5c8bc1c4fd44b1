"""Usage: requests, tokens and cost by whatever they are counted by, as a page and as CSV.

The figures are those of `GET /usage` of the administration API, so they need no database of requests, and the page, the
API and the command line agree. Each row leads to itself: the same page of this value alone, by the next thing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.page_host import AdminAnswer
from llm_gateway_sdk.web import Axis, Child, Markup, Series, chart, chart_files, csv_line, tag

from . import spans
from .limits import key_names
from .spans import Span
from .view import View, dollars, table

__all__ = ["Choice", "exported", "shown"]

_NANO: Final = 1e9
_NONE: Final = "(none)"
_SHOWN: Final = 100
_DIMENSIONS: Final[Mapping[str, str]] = {
    "team": "model", "model": "team", "key": "model", "user": "model", "project": "team", "provider": "model",
    "org": "team",
}  # fmt: skip
"""What usage is counted by, and by what one value of it is shown."""
_TIMES: Final[Mapping[str, tuple[str, Callable[[datetime], datetime]]]] = {
    "hour": ("", lambda first: first + timedelta(hours=1)),
    "day": ("", lambda first: first + timedelta(days=1)),
    "month": ("-01", lambda first: (first + timedelta(days=31)).replace(day=1)),
}
"""What the API's text lacks of a moment, and where the next one begins."""
_LABEL: Final = "label:"
_FIGURES: Final = ("requests", "failed", "inputTokens", "outputTokens")
_DAYS_BY_HOUR: Final = 3
"""A chart of a longer span has a bar for each day."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader has chosen."""

    span: Span
    by: tuple[str, ...]
    """One or two of `_DIMENSIONS`, `_TIMES` and `label:NAME`."""
    only: Mapping[str, str]
    """Values of dimensions and of one label (`label`: `env=prod`); an empty one is of what has none."""
    skip: int = 0

    @classmethod
    def load(cls, view: View) -> Choice:
        """From an address; what is unknown is left out."""
        named = [view.query.get("by", ""), view.query.get("then", "")]
        if label := view.query.get("label_name", "").strip():
            named = [f"{_LABEL}{label[:200]}" if name == "label" else name for name in named]
        by = tuple(dict.fromkeys(name for name in named if _is_counted(name)))
        only = {name: view.query[name] for name in (*_DIMENSIONS, "label") if view.query.get(name)}
        only = {
            name: "" if value == _NONE else value for name, value in only.items() if name != "label" or "=" in value
        }
        return cls(spans.chosen(view), by or ("team",), only, whole_number(view.query.get("skip")) or 0)

    def fields(self) -> dict[str, str]:
        """The other way round, without the span and the page."""
        by, then = (*self.by, "")[:2]
        return {"by": by, "then": then, **{name: value or _NONE for name, value in self.only.items()}}

    def address(self, view: View, path: str = "/usage") -> str:
        return view.address(path, **self.span.address, **self.fields(), skip=str(self.skip) if self.skip else "")

    def asked(self, by: Sequence[str]) -> dict[str, str]:
        """The query of the administration API."""
        # The last hours of a week are counted in whole: a day counts as soon as it begins in the span.
        whole = 3600 if self.span.key == "24h" else 86400 if self.span.key else 1
        begins = self.span.begins // whole * whole
        return {"by": ",".join(by), "since": f"{begins:.0f}", "until": f"{self.span.ends:.0f}", **self.only}

    def narrowed(self, name: str, value: str) -> Choice:
        """Of one value of what it is grouped by, by the next thing."""
        by = tuple(each for each in self.by if each != name)
        if name in _TIMES:
            first = _begins(name, value)
            return replace(self, span=spans.between(first, _TIMES[name][1](first)), by=by or ("model",), skip=0)
        if name.startswith(_LABEL):
            only = {**self.only, "label": f"{name.removeprefix(_LABEL)}={value}"}
            return replace(self, by=by or ("model",), only=only, skip=0)
        only = {**self.only, name: value}
        further = (_DIMENSIONS[name], *_DIMENSIONS)
        return replace(self, by=by or (next(each for each in further if each not in only),), only=only, skip=0)


async def shown(view: View) -> Response:
    """The rows with the highest cost first, or in the order of time; a hundred at a time."""
    choice = Choice.load(view)
    by_time = "hour" if choice.span.ends - choice.span.begins <= _DAYS_BY_HOUR * 86400 else "day"
    times = await view.ask("GET", "/usage", query=choice.asked((by_time,)))
    if not times.ok:
        return _refused(view, times)
    page = {"after": str(choice.skip), "size": str(_SHOWN)}
    groups = await view.ask("GET", "/usage", query={**choice.asked(choice.by), **page})
    if not groups.ok:
        return _refused(view, groups)
    rows, whole = groups.body["items"], _summed(times.body["items"])
    names = await _names(view, [*(each["group"] for each in rows), choice.only])
    return view.page(
        "Usage",
        spans.ranges(view, "/usage", choice.span, **choice.fields()),
        _grouping(view, choice),
        _conditions(view, choice, names),
        _tiles(whole, choice.span),
        _charts(view, choice, by_time, times.body["items"]) if times.body["items"] else None,
        _table(view, choice, rows, whole, names),
        tag("p", _pages(view, choice, groups), class_="actions"),
    )


async def exported(view: View) -> Response:
    """All rows as CSV; costs in US dollars."""
    choice = replace(Choice.load(view), skip=0)
    first = await view.ask("GET", "/usage", query=choice.asked(choice.by))
    if not first.ok:
        return _refused(view, first)

    async def lines() -> AsyncIterator[bytes]:
        yield csv_line((*choice.by, *_CSV))
        answer = first
        while answer.ok:
            for row in answer.body["items"]:
                figures = (*(row[name] for name in _FIGURES), f"{row['cost'] / _NANO:.9f}", row["unpriced"])
                yield csv_line((*(row["group"].get(name) for name in choice.by), *figures, row["estimated"]))
            if not answer.body["next"]:
                return
            answer = await view.ask("GET", "/usage", query={**choice.asked(choice.by), "after": answer.body["next"]})

    headers = {"content-disposition": 'attachment; filename="usage.csv"', "cache-control": "no-store"}
    return StreamingResponse(lines(), 200, headers, "text/csv; charset=utf-8")


_CSV: Final = (
    "requests", "failed", "input_tokens", "output_tokens", "cost_usd", "unpriced_calls", "estimated_calls",
)  # fmt: skip


def _begins(name: str, value: str) -> datetime:
    """The beginning of an hour, a day or a month of the API."""
    return spans.moment_of(value + _TIMES[name][0]) or datetime.fromtimestamp(0, UTC)


def _is_counted(name: str) -> bool:
    return name in _DIMENSIONS or name in _TIMES or (len(name) > len(_LABEL) and name.startswith(_LABEL))


def _refused(view: View, answer: AdminAnswer) -> Response:
    text = "No project has the plugin limits." if "detail" not in (answer.body or {}) else answer.detail
    return view.message("Usage", text, answer.status)


async def _names(view: View, groups: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Names of the keys on the page."""
    return await key_names(view, [{"subject": {"key": group["key"]}} for group in groups if group.get("key")])


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in (*_FIGURES, "cost", "unpriced", "estimated")}


def _grouping(view: View, choice: Choice) -> Markup:
    """The choice of what usage is grouped by."""
    labels = [name.removeprefix(_LABEL) for name in choice.by if name.startswith(_LABEL)]

    def select(name: str, words: str, value: str, *first: Markup) -> Markup:
        value = "label" if value.startswith(_LABEL) else value
        options = [tag("option", each, value=each, selected=each == value) for each in (*_DIMENSIONS, *_TIMES, "label")]
        return tag("select", first, options, name=name, aria_label=words)

    by, then = (*choice.by, "")[:2]
    kept = {**choice.span.address, **{name: value or _NONE for name, value in choice.only.items()}}
    return tag(
        "form",
        [tag("input", type="hidden", name=name, value=value) for name, value in kept.items()],
        "by ",
        select("by", "Group by", by),
        " and ",
        select("then", "and by", then, tag("option", "nothing", value="")),
        tag("input", name="label_name", value=labels[0] if labels else None, placeholder="label, such as env",
            aria_label="Name of the label", maxlength=200),
        tag("button", "Show"),
        tag("a", "Export as CSV", href=replace(choice, skip=0).address(view, "/usage.csv"), class_="button"),
        class_="controls row",
        method="get",
        action=f"{view.base}/usage",
    )  # fmt: skip


def _conditions(view: View, choice: Choice, names: Mapping[str, str]) -> Markup | None:
    """Each condition, with the way back to what there is without it."""
    if not choice.only:
        return None

    def link(name: str, value: str) -> Markup:
        others = {each: other for each, other in choice.only.items() if each != name}
        href = replace(choice, only=others, skip=0).address(view)
        words = f"{name} {names.get(value, value) or _NONE}"
        return tag("a", f"× {words}", href=href, title=f"Without this condition: {words}", class_="button condition")

    return tag("p", [[link(name, value), " "] for name, value in choice.only.items()])


def _unpriced(number: int) -> str:
    return f"without {number:,} call{'s' * (number != 1)} that have no price" if number else ""


def _estimated(number: int) -> str:
    return f"{number:,} call{'s' * (number != 1)} estimated" if number else ""


def _tiles(whole: Mapping[str, int], span: Span) -> Markup:
    def tile(title: str, value: str, *notes: str) -> Markup:
        written = [tag("p", note, class_="note") for note in notes if note]
        return tag("div", tag("h2", title), tag("p", value, class_="value"), written, class_="tile")

    tokens = whole["inputTokens"] + whole["outputTokens"]
    directions = f"{whole['inputTokens']:,} in, {whole['outputTokens']:,} out"
    tiles = (
        tile("Cost", dollars(whole["cost"] / _NANO), span.title, _unpriced(whole["unpriced"])),
        tile("Requests", f"{whole['requests']:,}", f"{whole['failed']:,} failed"),
        tile("Tokens", f"{tokens:,}", directions, _estimated(whole["estimated"])),
    )
    return tag("section", tiles, class_="tiles", aria_label="Totals")


def _charts(view: View, choice: Choice, by_time: str, rows: Sequence[Mapping[str, Any]]) -> list[Child]:
    bucket = 3600 if by_time == "hour" else 86400
    starts = [int(_begins(by_time, row["group"][by_time]).timestamp()) for row in rows]

    def link(changes: Mapping[str, str]) -> str:
        return view.address("/usage", **{**choice.fields(), **changes})

    first, last = int(choice.span.begins // bucket * bucket), int(-(-choice.span.ends // bucket) * bucket)
    zoom = view.address("/usage", **choice.fields())
    axis = Axis(min(first, *starts), max(last, starts[-1] + bucket), bucket, link=link, zoom=zoom)
    costs = [(start, (row["cost"] / _NANO,)) for start, row in zip(starts, rows, strict=True)]
    counts = [
        (start, (row["requests"] - row["failed"], row["failed"])) for start, row in zip(starts, rows, strict=True)
    ]
    drawn = (
        chart(axis, costs, [Series("cost")], "Cost", unit="money", words=dollars, kind="bars"),
        chart(axis, counts, [Series("ok"), Series("errors")], "Requests", unit="count", words="{:,.0f}".format,
              kind="bars"),
    )  # fmt: skip
    return [tag("section", drawn, class_="charts"), chart_files(f"{view.base}/static")]


def _table(
    view: View, choice: Choice, rows: Sequence[Mapping[str, Any]], whole: Mapping[str, int], names: Mapping[str, str]
) -> Markup:
    heads = tuple(name.removeprefix(_LABEL).capitalize() for name in choice.by)
    figures = ("Cost", "Share", "Requests", "Failed", "Input tokens", "Output tokens")
    return table(
        (*heads, *figures),
        [_row(view, choice, row, whole["cost"], names) for row in rows],
        empty="Nothing was used here: choose a longer time or fewer conditions.",
        numbers=figures,
    )


def _row(view: View, choice: Choice, row: Mapping[str, Any], whole: int, names: Mapping[str, str]) -> tuple[Child, ...]:
    def value(name: str) -> Child:
        text = row["group"].get(name, "")
        link = tag("a", names.get(text, text) or _NONE, href=choice.narrowed(name, text).address(view))
        return [link, tag("div", text, class_="sub") if text in names else None]

    def marked(figure: str, note: str) -> Child:
        return [figure, tag("div", note, class_="sub")] if note else figure

    unpriced = f"{row['unpriced']:,} unpriced" if row["unpriced"] else ""
    estimated = f"{row['estimated']:,} estimated" if row["estimated"] else ""
    return (
        *(value(name) for name in choice.by),
        marked(dollars(row["cost"] / _NANO), unpriced),
        f"{100 * row['cost'] / whole:.0f} %" if whole else "–",
        f"{row['requests']:,}",
        tag("span", f"{row['failed']:,}", class_="bad") if row["failed"] else "0",
        f"{row['inputTokens']:,}",
        marked(f"{row['outputTokens']:,}", estimated),
    )


def _pages(view: View, choice: Choice, groups: AdminAnswer) -> list[Markup]:
    links = []
    if choice.skip:
        links.append(("Previous page", max(0, choice.skip - _SHOWN)))
    if groups.body["next"]:
        links.append(("Next page", choice.skip + _SHOWN))
    return [tag("a", words, href=replace(choice, skip=skip).address(view), class_="button") for words, skip in links]
