"""The calls of one request to providers, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_gateway_sdk.web import Markup, tag
from llm_gateway_sdk.wire import json

__all__ = ["attempts", "attempts_of"]

_EXACT_BELOW: Final = 10


def attempts(made: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The table of the calls in `attempts_of`'s form; None where none was made."""
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
        tag("table", tag("thead", head), tag("tbody", body)),
        class_="scroll",
        tabindex="0",
    )


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.1f} ms" if value < _EXACT_BELOW else f"{value:,.0f} ms"


def attempts_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The record's calls, each with model, target, status, error and times in milliseconds; empty where unreadable."""
    text = row["attempt_log"]
    try:
        value = json.loads(text) if text else []
    except ValueError:
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
