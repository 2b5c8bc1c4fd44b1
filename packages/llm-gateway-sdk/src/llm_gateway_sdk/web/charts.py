"""Charts over time, drawn by uPlot in the browser from figures that are part of the page.

A chart is three things: its data for the script `charts.js`, the place where that draws, and a table of the same
figures in words, each a link to what it counts. The script takes words and links from the table, so what a pointer
shows, what a click opens and what a screen reader reads cannot differ. Without scripts the table is what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final, Literal

from .markup import Child, Markup, data_block, tag

__all__ = ["Axis", "Series", "Unit", "chart", "chart_files"]

Unit = Literal["count", "duration", "money", "percent"]
"""What the values are: pieces, microseconds, US dollars, hundredths. It decides how the axis is labelled."""

_DAY: Final = 86400
_COLOURS: Final = frozenset(
    {"ok", "refused", "errors", "cancelled", "p50", "p95", "p99", "input", "output", "speed", "cost"}
)
"""Names of series that have a colour of their own in the style sheet."""
_OTHER_COLOURS: Final = 6


@dataclass(slots=True, frozen=True)
class Axis:
    """Time from `start` to `end` (Unix seconds) in buckets of `bucket` seconds."""

    start: int
    end: int
    bucket: int
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    """As a browser knows it."""
    link: Callable[[Mapping[str, str]], str] | None = None
    """The address of what a point counts. It gets `since` and `until` of the bucket, and the conditions of a series."""
    first: int = 0
    """When the span begins: of the bucket in which that is, a link leads to what came after."""
    zoom: str = ""
    """The address of the page; a span that is chosen in the chart is added to it as `since` and `until`."""


@dataclass(slots=True, frozen=True)
class Series:
    name: str
    only: Mapping[str, str] = field(default_factory=dict)
    """What the address of a point gets in addition. Empty: its points lead to all of the bucket."""


def chart(
    axis: Axis,
    points: Sequence[tuple[int, Sequence[float | None]]],
    series: Sequence[Series],
    title: str,
    *,
    unit: Unit,
    words: Callable[[float], str],
    kind: Literal["bars", "lines"] = "lines",
) -> Markup:
    """`points` are (start of the bucket, one value per series); bars are stacked in the order of the series, and a line
    is broken where a value or a bucket is missing. `words` writes a value of the table."""
    names = [each.name for each in series]
    data = {
        "kind": kind, "unit": unit, "start": axis.start, "end": axis.end, "bucket": axis.bucket,
        "zone": axis.zone_name, "zoom": axis.zoom, "names": names,
        "points": [[start, *values] for start, values in points],
    }  # fmt: skip
    legend = [
        tag("span", tag("i", class_=f"swatch back-{_colour(position, names)}"), name, class_="key")
        for position, name in enumerate(names)
    ]
    return tag(
        "figure",
        tag("figcaption", tag("b", title), tag("span", legend, class_="legend", hidden=len(names) < 2)),
        tag("div", class_="plot", role="img", aria_label=_summary(points, names, title, words)),
        data_block(data),
        tag("noscript", tag("p", "The chart is drawn by a script; its figures are below.", class_="sub")),
        tag(
            "details",
            tag("summary", "Figures of this chart"),
            tag("div", _table(axis, points, series, words), class_="scroll", tabindex="0", role="region",
                aria_label=f"Figures: {title}"),
        ),
        class_="panel chart",
    )  # fmt: skip


def chart_files(static: str) -> list[Markup]:
    """What a page with charts loads; `static` is the address of the shared files."""
    return [
        tag("link", rel="stylesheet", href=f"{static}/uPlot.min.css"),
        tag("script", src=f"{static}/uPlot.iife.min.js", defer=True),
        tag("script", src=f"{static}/charts.js", defer=True),
    ]


def _colour(position: int, names: Sequence[str]) -> str:
    return names[position] if names[position] in _COLOURS else f"c{position % _OTHER_COLOURS}"


def _summary(
    points: Sequence[tuple[int, Sequence[float | None]]],
    names: Sequence[str],
    title: str,
    words: Callable[[float], str],
) -> str:
    """The picture in a sentence: from where to where each series goes."""
    parts = []
    for position, name in enumerate(names):
        values = [value for _, row in points if (value := row[position]) is not None]
        if values:
            parts.append(f"{name} from {words(min(values))} to {words(max(values))}")
    return f"{title}: {', '.join(parts) or 'nothing'}"


def _table(
    axis: Axis,
    points: Sequence[tuple[int, Sequence[float | None]]],
    series: Sequence[Series],
    words: Callable[[float], str],
) -> Markup:
    """One row per bucket, in the order of the points."""
    heads = [tag("th", name, scope="col") for name in (f"Time ({axis.zone_name})", *(each.name for each in series))]
    rows = []
    for start, values in points:
        cells = [
            tag("td", _linked(axis, start, "–" if value is None else words(value), each.only if value else {}))
            for each, value in zip(series, values, strict=True)
        ]
        rows.append(tag("tr", tag("th", _linked(axis, start, _bucket(start, axis), None), scope="row"), cells))
    return tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="figures")


def _linked(axis: Axis, start: int, text: str, only: Mapping[str, str] | None) -> Child:
    """`only` empty: the text without a link, for the row's first cell has it already."""
    if axis.link is None or only == {}:
        return text
    span = {"since": _moment(max(start, axis.first)), "until": _moment(start + axis.bucket)}
    return tag("a", text, href=axis.link({**span, **(only or {})}))


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _bucket(start: float, axis: Axis) -> str:
    """The time of a bucket in full."""
    first = datetime.fromtimestamp(start, axis.zone)
    last = datetime.fromtimestamp(start + axis.bucket, axis.zone)
    if axis.bucket < _DAY:
        return f"{first:%a %d %b %H:%M} – {last:%H:%M}"
    return f"{first:%a %d %b}" if axis.bucket == _DAY else f"{first:%d %b} – {last:%d %b}"
