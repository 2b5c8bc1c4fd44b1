"""A stand-in of the tracer's area: requests as if they had been recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import Plugin, plugin_metadata
from llm_gateway_sdk.page_host import ConsoleArea

__all__ = ["Recorded"]


def records() -> list[dict[str, Any]]:
    """Thirty requests of two teams within a day, one dollar each; and one without a price."""
    now = time.time() // 86400 * 86400 - 43200
    made: list[dict[str, Any]] = [
        {"time": now + number, "key": f"k{number % 3}", "team": "search" if number % 3 else "billing", "cost": 1.0,
         "input_tokens": 10, "output_tokens": 1, "model": "echo", "project": "default"}
        for number in range(30)
    ]  # fmt: skip
    return [*made, {**made[0], "cost": None}]


FIGURES = [
    {"name": "search", "requests": 20, "errors": 2, "input_tokens": 200, "output_tokens": None, "cost": 20.0},
    {"name": "", "requests": 5, "errors": 0, "input_tokens": 50, "output_tokens": 5, "cost": 30.0},
]


DAY = int(time.time()) // 86400 * 86400
SERIES = {
    "start": DAY - 6 * 86400,
    "end": DAY + 86400,
    "bucket": 86400,
    "points": [{"start": DAY - 86400, "cost": 12.5}, {"start": DAY, "cost": None}],
    "statuses": [
        {"start": DAY - 86400, "status": "ok", "requests": 18},
        {"start": DAY, "status": "refused", "requests": 2},
    ],
}
FAILURES = [
    {"status": "refused", "kind": "rate_limit", "caller": "search", "requests": 2, "last": time.time() - 7200,
     "message": "The limit 'few' <b>", "request": "req_1", "interaction": "int_1"}
]  # fmt: skip
ANSWERS = {"/series.json": SERIES, "/failures.json": FAILURES}


@plugin_metadata(name="recorded", version="1", description="Recorded requests.", configuration_schema={})
class Recorded(Plugin):
    def console_areas(self) -> Sequence[ConsoleArea]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            body = "\n".join(json.dumps(each) for each in records())
            if scope["path"] == "/figures.json":
                last = {"last": time.time() - 3 * 3600} if b"last=1" in scope["query_string"] else {}
                body = json.dumps([{**each, **last} for each in FIGURES])
            elif scope["path"] in ANSWERS:
                body = json.dumps(ANSWERS[scope["path"]])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body.encode()})

        return (ConsoleArea("traces", app, (("Overview", "/", "o"),)),)
