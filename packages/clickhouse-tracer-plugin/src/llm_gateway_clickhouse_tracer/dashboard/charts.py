"""Small charts as SVG, coloured by the style sheet so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from .markup import Markup, join, tag

__all__ = ["Axis", "bars", "lines"]

WIDTH: Final = 560
HEIGHT: Final = 150
_LEFT: Final = 46
_BOTTOM: Final = 18
_TOP: Final = 10
_GRID_LINES: Final = 3
_TICK_STEPS: Final = (600, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 12 * 3600, 86400, 5 * 86400)


@dataclass(slots=True, frozen=True)
class Axis:
    """Time from `start` to `end` (Unix seconds) in buckets."""

    start: int
    end: int
    bucket: int

    def x(self, moment: float) -> float:
        return _LEFT + (WIDTH - _LEFT) * (moment - self.start) / max(1, self.end - self.start)

    def ticks(self) -> range:
        """At most seven round moments (UTC)."""
        span = self.end - self.start
        step = next((step for step in _TICK_STEPS if span / step <= 7), _TICK_STEPS[-1])
        return range(-(-self.start // step) * step, self.end + 1, step)

    @property
    def slot(self) -> float:
        return (WIDTH - _LEFT) * self.bucket / max(1, self.end - self.start)


def bars(
    axis: Axis,
    points: Sequence[tuple[int, Sequence[float]]],
    names: Sequence[str],
    label: Callable[[float], str],
    title: str,
) -> Markup:
    """Stacked bars: `points` are (bucket start, one value per name)."""
    top = _nice(max((sum(values) for _, values in points), default=0))
    drawn = []
    for start, values in points:
        hint = f"{_clock(start, axis)}: " + ", ".join(
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
                        x=f"{axis.x(start) + 0.5:.1f}",
                        y=f"{floor:.1f}",
                        width=f"{max(1.0, axis.slot - 1):.1f}",
                        height=f"{max(height, 1.0):.1f}",
                        class_=f"fill-{_class(name)}",
                    )
                )
        drawn.append(tag("g", tag("title", hint), column))
    return _frame(axis, drawn, top, names, label, title)


def lines(
    axis: Axis,
    points: Sequence[tuple[int, Sequence[float | None]]],
    names: Sequence[str],
    label: Callable[[float], str],
    title: str,
) -> Markup:
    """One line per name; an empty bucket breaks it."""
    top = _nice(max((value for _, values in points for value in values if value is not None), default=0))
    drawn: list[Markup] = []
    for position, name in enumerate(names):
        run: list[str] = []
        previous: int | None = None
        for start, values in points:
            value = values[position]
            if value is None:
                continue
            if previous is not None and start - previous > axis.bucket:
                drawn += _line(run, name)
                run = []
            x = axis.x(start + axis.bucket / 2)
            y = HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * value / top
            run.append(f"{x:.1f},{y:.1f}")
            hint = f"{_clock(start, axis)}: {name} {label(value)}"
            drawn.append(
                tag(
                    "circle",
                    tag("title", hint),
                    cx=f"{x:.1f}",
                    cy=f"{y:.1f}",
                    r="2.5",
                    class_=f"dot fill-{_class(name)}",
                )
            )
            previous = start
        drawn += _line(run, name)
    return _frame(axis, drawn, top, names, label, title)


def _line(run: list[str], name: str) -> list[Markup]:
    return [tag("polyline", points=" ".join(run), class_=f"line stroke-{_class(name)}")] if len(run) > 1 else []


def _frame(
    axis: Axis, drawn: Sequence[Markup], top: float, names: Sequence[str], label: Callable[[float], str], title: str
) -> Markup:
    grid = []
    for step in range(_GRID_LINES + 1):
        y = HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * step / _GRID_LINES
        grid.append(tag("line", x1=_LEFT, x2=WIDTH, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        grid.append(
            tag(
                "text", label(top * step / _GRID_LINES), x=_LEFT - 6, y=f"{y + 3:.1f}", class_="tick", text_anchor="end"
            )
        )
    times = []
    for moment in axis.ticks():
        x = axis.x(moment)
        anchor = "end" if x > WIDTH - 16 else "middle"
        times.append(tag("text", _clock(moment, axis), x=f"{x:.1f}", y=HEIGHT - 4, class_="tick", text_anchor=anchor))
    legend = [
        tag("span", tag("i", class_=f"swatch back-{_class(name)}"), name, class_="key")
        for name in names
        if len(names) > 1
    ]
    picture = tag(
        "svg",
        tag("title", title),
        join(grid),
        join(drawn),
        join(times),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=title,
        class_="chart",
    )
    return tag(
        "figure", tag("figcaption", tag("b", title), tag("span", legend, class_="legend")), picture, class_="panel"
    )


def _class(name: str) -> str:
    return name.replace(" ", "-")


def _clock(moment: float, axis: Axis) -> str:
    when = datetime.fromtimestamp(moment, UTC)
    return when.strftime("%d %b" if axis.end - axis.start > 3 * 86400 else "%H:%M")


def _nice(value: float) -> float:
    """The next of 1, 1.5, 3, 6 times a power of ten: thirds of these are round."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * factor for factor in (1.2, 1.5, 3.0, 6.0, 12.0) if power * factor >= value)
