"""Where the time of one request went: plugins, attempts until their first token, and streams, each in a named lane.

The record has the begin and end of each attempt, but of a plugin only the sum of its time in a phase. The lane of a
plugin is therefore placed where its phase is in the walk of a request: what comes before the call ends where the first
attempt begins, what comes after the reply begins where the last attempt ends, one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llm_gateway_sdk.web import Markup, tag

from .figures import duration

__all__ = ["Bar", "Lane", "lanes", "waterfall"]

_HEIGHT: Final = 14
_LEAST_WIDTH: Final = 0.3
_BEFORE: Final = ("authenticate", "before_request", "queue", "before_model")
_DURING: Final = ("after_chunk",)
_BETWEEN: Final = ("on_model_error",)
_MOST_PLUGINS: Final = 24
"""Lanes of plugins; a chain can be longer, and those that took the longest are shown."""


@dataclass(slots=True, frozen=True)
class Bar:
    start: float
    """In milliseconds from the request's arrival, as `end`."""
    end: float
    kind: str
    """A colour of the style sheet: whole, plugin, input (until the first token), output (after it), errors."""
    hint: str


@dataclass(slots=True, frozen=True)
class Lane:
    name: str
    bars: tuple[Bar, ...]
    time: float
    """In milliseconds."""


def waterfall(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The picture; None where the request took no measurable time."""
    whole = row["duration_us"] / 1000
    if whole <= 0:
        return None
    shown = [_drawn(lane, whole) for lane in lanes(row, attempts)]
    legend = (("plugin", "plugins"), ("input", "until the first token"), ("output", "stream"), ("errors", "failed"))
    return tag(
        "figure",
        tag(
            "figcaption", tag("b", "Where the time went"), tag("span", [_key(*one) for one in legend], class_="legend")
        ),
        tag("div", shown, class_="waterfall", role="list"),
    )


def lanes(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> list[Lane]:
    """From top to bottom: the whole request, plugins before the call, attempts and what follows each, plugins after."""
    whole = row["duration_us"] / 1000
    spent = _by_phase(row.get("timings") or {})
    calls = [_attempt(number, one, whole) for number, one in enumerate(attempts or _unrecorded(row), 1)]
    first = calls[0].bars[0].start if calls else whole
    last = calls[-1].bars[-1].end if calls else whole
    early = [one for one in spent if one[1] in _BEFORE]
    begins = max(0.0, first - sum(milliseconds for _, _, milliseconds in early))
    during = _placed(
        [one for one in spent if one[1] in _DURING], _first_token(attempts, last), whole, "sum over all chunks"
    )
    between = _placed([one for one in spent if one[1] in _BETWEEN], calls[0].bars[-1].end if calls else 0.0, whole)
    late = _placed([one for one in spent if one[1] not in (*_BEFORE, *_DURING, *_BETWEEN)], last, whole)
    return [
        Lane("whole request", (Bar(0, whole, "whole", f"whole request: {duration(whole * 1000)}"),), whole),
        *_placed(early, begins, whole),
        *calls[:1],
        *between,
        *calls[1:],
        *during,
        *late,
    ]


def _unrecorded(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The call of a record without attempts, as its first token shows it."""
    if row.get("ttft_us") is None or not row.get("model_routed"):
        return []
    return [{"model": row["model_routed"], "start_ms": 0.0, "first_token_ms": row["ttft_us"] / 1000}]


def _by_phase(timings: Mapping[str, int]) -> list[tuple[str, str, float]]:
    """(plugin, phase, milliseconds) of those that took the longest, in the order of the walk."""
    longest = sorted(timings, key=lambda name: -timings[name])[:_MOST_PLUGINS]
    order = {phase: place for place, phase in enumerate(_BEFORE)}
    found = [(*name.rpartition(".")[::2], timings[name] / 1000) for name in timings if name in longest]
    return sorted(found, key=lambda one: order.get(one[1], len(order)))


def _placed(spent: Sequence[tuple[str, str, float]], start: float, whole: float, what: str = "") -> Iterator[Lane]:
    for plugin, phase, milliseconds in spent:
        hint = f"{plugin}, {phase}: {duration(milliseconds * 1000)}{f' ({what})' if what else ''}"
        bar = _bar(start, start + milliseconds, whole, "plugin", hint)
        yield Lane(f"{plugin} · {phase}", (bar,), milliseconds)
        start = bar.end


def _bar(start: float, end: float, whole: float, kind: str, hint: str) -> Bar:
    """Inside the request: clocks of records can disagree by their rounding, and a tool's own record by more."""
    start = min(max(start, 0.0), whole)
    return Bar(start, min(max(end, start), whole), kind, hint)


def _attempt(number: int, one: Mapping[str, Any], whole: float) -> Lane:
    start, end, first = one.get("start_ms") or 0.0, one.get("end_ms"), one.get("first_token_ms")
    end = whole if end is None else end
    name = one.get("model") or one.get("target") or f"attempt {number}"
    if first is None:
        kind = "errors" if one.get("error") else "input"
        bars: tuple[Bar, ...] = (_bar(start, end, whole, kind, f"{name}: {_milliseconds(end - start)}"),)
    else:
        bars = (
            _bar(start, first, whole, "input", f"{name}: {_milliseconds(first - start)} to the first token"),
            _bar(first, end, whole, "output", f"{name}: {_milliseconds(end - first)} of stream"),
        )
    return Lane(f"{number}. {name}", bars, end - start)


def _first_token(attempts: Sequence[Mapping[str, Any]], otherwise: float) -> float:
    known = [one["first_token_ms"] for one in attempts if one.get("first_token_ms") is not None]
    return known[-1] if known else otherwise


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms"


def _drawn(lane: Lane, whole: float) -> Markup:
    bars = [
        tag(
            "g",
            tag("title", bar.hint),
            tag(
                "rect",
                x=f"{min(100 * bar.start / whole, 100 - _LEAST_WIDTH):.2f}%",
                y=0,
                width=f"{max(100 * (bar.end - bar.start) / whole, _LEAST_WIDTH):.2f}%",
                height=_HEIGHT,
                rx=2,
                class_=f"fill-{bar.kind}",
            ),
        )
        for bar in lane.bars
    ]
    return tag(
        "div",
        tag("span", lane.name, class_="lane", title=lane.name),
        tag("svg", bars, height=_HEIGHT, role="img", aria_label="; ".join(bar.hint for bar in lane.bars)),
        tag("span", duration(lane.time * 1000), class_="time"),
        role="listitem",
    )


def _key(kind: str, words: str) -> Markup:
    return tag("span", tag("i", class_=f"swatch back-{kind}"), words, class_="key")
