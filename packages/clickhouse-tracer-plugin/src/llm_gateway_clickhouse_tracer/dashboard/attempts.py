"""The calls of one request to providers: a table, and a picture of where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_gateway_sdk.web import Markup, tag
from llm_gateway_sdk.wire import json

__all__ = ["attempts"]

_LANE: Final = 22
_EXACT_BELOW: Final = 10


def attempts(row: Mapping[str, Any]) -> Markup | None:
    made = _load_list(row["attempt_log"])
    if not made:
        return None
    head = tag(
        "tr", [tag("th", name, scope="col") for name in ("Attempt", "Target", "From", "First token", "To", "Outcome")]
    )
    body = [
        tag(
            "tr",
            tag("td", one.get("model", "")),
            tag("td", one.get("target", "")),
            [tag("td", _milliseconds(one.get(key))) for key in ("start_ms", "first_token_ms", "end_ms")],
            tag(
                "td",
                " ".join(str(part) for part in (one.get("status"), one.get("kind"), one.get("error")) if part),
                class_="bad" if one.get("error") else None,
            ),
        )
        for one in made
    ]
    return tag(
        "div",
        _waterfall(row, made),
        tag("table", tag("thead", head), tag("tbody", body)),
        class_="scroll",
        tabindex="0",
    )


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.1f} ms" if value < _EXACT_BELOW else f"{value:,.0f} ms"


def _waterfall(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Where the time went: the whole request, and each attempt until its first token and after it."""
    whole = row["duration_us"] / 1000
    if whole <= 0:
        return None

    def bar(at: int, start: float, end: float, kind: str, hint: str) -> Markup:
        x, width = 100 * start / whole, 100 * max(0.0, end - start) / whole
        rect = tag(
            "rect",
            x=f"{x:.2f}%",
            y=at * _LANE + 4,
            width=f"{max(width, 0.3):.2f}%",
            height=_LANE - 8,
            class_=f"fill-{kind}",
        )
        return tag("g", tag("title", hint), rect)

    drawn = [bar(0, 0, whole, "whole", f"whole request: {whole:,.0f} ms")]
    for lane, one in enumerate(attempts, 1):
        start, end = one.get("start_ms") or 0.0, one.get("end_ms")
        end, first = whole if end is None else end, one.get("first_token_ms")
        name = one.get("model") or one.get("target") or f"attempt {lane}"
        if first is None:
            kind = "errors" if one.get("error") else "input"
            drawn.append(bar(lane, start, end, kind, f"{name}: {end - start:,.0f} ms"))
        else:
            drawn.append(bar(lane, start, first, "input", f"{name}: {first - start:,.0f} ms to the first token"))
            drawn.append(bar(lane, first, end, "output", f"{name}: {end - first:,.0f} ms of stream"))
    return tag(
        "svg", drawn, class_="waterfall", height=_LANE * (len(attempts) + 1), role="img",
        aria_label=f"Time of the request and its {len(attempts)} attempts",
    )  # fmt: skip


def _load_list(text: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(text) if text else []
    except ValueError:
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
