"""Small charts as SVG, coloured by the style sheet so that they follow light and dark.

Places along the time axis are percentages and heights are pixels, so that a chart fills its column while its texts keep
their size: nothing is scaled. Each bar and dot has its figures as a title; with the script `charts.js` they are read by
pointer and by arrow keys, and lead to what they count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from llm_gateway_sdk.web import Markup, join, tag
from llm_gateway_sdk.wire import json

from .figures import duration

__all__ = ["Axis", "bars", "lines"]

HEIGHT: Final = 150
_BOTTOM: Final = 20
_TOP: Final = 8
_GRID_LINES: Final = 3
_MAX_TICKS: Final = 5
"""Of 5 the texts do not touch in a column of 250 pixels."""
_TICK_MARGIN: Final = 5
"""Per cent of the width at both ends, where the text of a tick would be cut off."""
_DAY: Final = 86400
_COLOURS: Final = frozenset({"ok", "errors", "p50", "p95", "p99", "input", "output", "speed", "cost"})
"""Names of series that have colours of their own in the style sheet."""
_OTHER_COLOURS: Final = 6
_STEPS_OF_TIME: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
"""Seconds between the lines of a chart of times."""
_TICK_STEPS: Final = (
    60, 300, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, _DAY, 2 * _DAY, 5 * _DAY, 7 * _DAY, 14 * _DAY,
    30 * _DAY, 90 * _DAY,
)  # fmt: skip


@dataclass(slots=True, frozen=True)
class Axis:
    """Time from `start` to `end` (Unix seconds) in buckets."""

    start: int
    end: int
    bucket: int
    zone: tzinfo = UTC
    href: str = ""
    """The address of the requests in the span; a bucket's own gets `since` and `until`."""
    zoom: str = ""
    """The address of the page in the span."""

    def x(self, moment: float) -> float:
        """Per cent of the width."""
        return 100 * (moment - self.start) / max(1, self.end - self.start)

    def ticks(self) -> range:
        """At most six round moments of the zone's clock."""
        span = self.end - self.start
        step = next((step for step in _TICK_STEPS if span / step <= _MAX_TICKS), _TICK_STEPS[-1])
        offset = int((datetime.fromtimestamp(self.start, self.zone).utcoffset() or timedelta()).total_seconds())
        first = -(-(self.start + offset) // step) * step - offset
        return range(first, self.end + 1, step)

    @property
    def slot(self) -> float:
        """The width of a bucket in per cent."""
        return 100 * self.bucket / max(1, self.end - self.start)


def bars(
    axis: Axis,
    points: Sequence[tuple[int, Sequence[float]]],
    names: Sequence[str],
    label: Callable[[float], str],
    title: str,
) -> Markup:
    """Stacked bars: `points` are (bucket start, one value per name)."""
    top = _top_of(label)(max((sum(values) for _, values in points), default=0))
    drawn = []
    for start, values in points:
        hint = f"{_bucket(start, axis)}: " + ", ".join(
            f"{name} {label(value)}" for name, value in zip(names, values, strict=True)
        )
        floor, column = float(HEIGHT - _BOTTOM), []
        for name, value in zip(names, values, strict=True):
            height = (HEIGHT - _BOTTOM - _TOP) * value / top
            floor -= height
            if height > 0:
                column.append(
                    tag(
                        "rect",
                        x=f"{axis.x(start) + axis.slot * 0.06:.2f}%",
                        y=f"{floor:.1f}",
                        width=f"{axis.slot * 0.88:.2f}%",
                        height=f"{max(height, 1.0):.1f}",
                        class_=f"fill-{_class(name, names)}",
                    )
                )
        drawn.append(tag("g", tag("title", hint), column))
    return _frame(axis, drawn, top, names, label, title, points)


def lines(
    axis: Axis,
    points: Sequence[tuple[int, Sequence[float | None]]],
    names: Sequence[str],
    label: Callable[[float], str],
    title: str,
) -> Markup:
    """One line per name; an empty bucket breaks it."""
    top = _top_of(label)(max((value for _, values in points for value in values if value is not None), default=0))
    drawn: list[Markup] = []
    for position, name in enumerate(names):
        run: tuple[str, str] | None = None
        previous: int | None = None
        for start, values in points:
            value = values[position]
            if value is None:
                continue
            if previous is not None and start - previous > axis.bucket:
                run = None
            x = axis.x(start + axis.bucket / 2)
            y = HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * value / top
            here = (f"{x:.2f}%", f"{y:.1f}")
            if run is not None:
                ends = {"x1": run[0], "y1": run[1], "x2": here[0], "y2": here[1]}
                drawn.append(tag("line", **ends, class_=f"line stroke-{_class(name, names)}"))
            run = here
            hint = f"{_bucket(start, axis)}: {name} {label(value)}"
            drawn.append(
                tag(
                    "circle",
                    tag("title", hint),
                    cx=f"{x:.2f}%",
                    cy=f"{y:.1f}",
                    r="2.5",
                    class_=f"dot fill-{_class(name, names)}",
                )
            )
            previous = start
    return _frame(axis, drawn, top, names, label, title, points)


def _frame(
    axis: Axis,
    drawn: Sequence[Markup],
    top: float,
    names: Sequence[str],
    label: Callable[[float], str],
    title: str,
    points: Iterable[tuple[int, Sequence[float | None]]],
) -> Markup:
    grid, scale = [], []
    for step in range(_GRID_LINES + 1):
        y = HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * step / _GRID_LINES
        grid.append(tag("line", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        value = top * step / _GRID_LINES
        words = _short(label(value)) if value else "0"
        scale.append(tag("text", words, x="100%", y=f"{y + 4:.1f}", class_="tick", text_anchor="end"))
    times = []
    for moment in axis.ticks():
        x = axis.x(moment)
        if _TICK_MARGIN <= x <= 100 - _TICK_MARGIN:
            words = _clock(moment, axis)
            times.append(tag("text", words, x=f"{x:.2f}%", y=HEIGHT - 5, class_="tick", text_anchor="middle"))
    legend = [
        tag("span", tag("i", class_=f"swatch back-{_class(name, names)}"), name, class_="key")
        for name in names
        if len(names) > 1 or name not in _COLOURS
    ]
    read = {
        "start": axis.start, "end": axis.end, "bucket": axis.bucket, "names": names,
        "classes": [_class(name, names) for name in names],
        "points": [
            [start, _bucket(start, axis), [None if value is None else label(value) for value in values]]
            for start, values in points
        ],
    }  # fmt: skip
    picture = tag(
        "div",
        tag("svg", join(scale), class_="scale", height=HEIGHT, aria_hidden="true"),
        tag(
            "svg",
            tag("title", title),
            join(grid),
            join(drawn),
            join(times),
            role="img",
            aria_label=title,
            class_="chart",
            height=HEIGHT,
        ),
        class_="plot",
    )
    return tag(
        "figure",
        tag("figcaption", tag("b", title), tag("span", legend, class_="legend")),
        picture,
        class_="panel",
        data_points=json.dumps_text(read),
        data_href=axis.href or None,
        data_zoom=axis.zoom or None,
    )


def _class(name: str, names: Sequence[str]) -> str:
    """The colour of a series: figures have colours of their own, names of providers get one by their place."""
    return name if name in _COLOURS else f"c{list(names).index(name) % _OTHER_COLOURS}"


def _bucket(start: float, axis: Axis) -> str:
    """The time of a bucket in full."""
    first = datetime.fromtimestamp(start, axis.zone)
    last = datetime.fromtimestamp(start + axis.bucket, axis.zone)
    if axis.bucket < _DAY:
        return f"{first:%a %d %b %H:%M} – {last:%H:%M}"
    return f"{first:%a %d %b}" if axis.bucket == _DAY else f"{first:%d %b} – {last:%d %b}"


def _clock(moment: float, axis: Axis) -> str:
    when = datetime.fromtimestamp(moment, axis.zone)
    span = axis.end - axis.start
    if span <= _DAY + axis.bucket:
        return when.strftime("%H:%M")
    return when.strftime("%d %b" if span > 3 * _DAY else "%a %H:%M")


def _top_of(label: Callable[[float], str]) -> Callable[[float], float]:
    return _nice_time if label is duration else _nice


def _short(words: str) -> str:
    """Without zeros after the point: `40 s` in place of `40.00 s`."""
    return re.sub(r"\.0+(?=\D|$)|(\.\d*[1-9])0+(?=\D|$)", r"\1", words)


def _nice_time(microseconds: float) -> float:
    """Three steps of a clock: beyond a second thirds of powers of ten are no round times."""
    if microseconds <= 3 * _STEPS_OF_TIME[0] * 1e6:
        return _nice(microseconds)
    return 3e6 * next((step for step in _STEPS_OF_TIME if microseconds <= 3e6 * step), microseconds / 3e6)


def _nice(value: float) -> float:
    """The next of 1.2, 1.5, 3, 6 times a power of ten: thirds of these are round."""
    if value <= 0:
        return 3.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * factor for factor in (1.2, 1.5, 3.0, 6.0, 12.0) if power * factor >= value)
