"""What the console reads from an area of another plugin: in this process, as who is signed in would get it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from llm_gateway_sdk.page_host import PageHost
from llm_gateway_sdk.wire import json

__all__ = ["AreaFailure", "fetched", "recorded", "recorded_by"]

_FIGURES_WAIT: Final = 2.0
"""Seconds, where the figures are an addition to a page that is useful without them."""


class AreaFailure(ValueError):
    """The area gave no answer; the text is for people."""


async def fetched(host: PageHost, area: str, path: str, query: str = "") -> bytes | None:
    """The body of GET `path` of the area; None where no plugin has such an area. Raises AreaFailure where the answer is
    not a 200."""
    app = next((each.app for each in host.areas() if each.path == area), None)
    if app is None:
        return None
    status, body = 500, bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body.extend(message.get("body", b""))

    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": path, "root_path": "", "query_string": query.encode(), "headers": [],
        "client": None,
    }  # fmt: skip
    await app(scope, receive, send)
    if status != 200:
        raise AreaFailure("The recorded requests can't be read: the database does not answer.")
    return bytes(body)


async def recorded(host: PageHost, path: str, *, wait: float = _FIGURES_WAIT, **query: str) -> Any:
    """The JSON of GET `path` of the area that shows recorded requests; None where nothing is recorded. Raises
    AreaFailure, also where the database takes more than `wait` seconds."""
    try:
        async with asyncio.timeout(wait):
            found = await fetched(host, "traces", path, urlencode(query))
    except TimeoutError:
        raise AreaFailure("The database of recorded requests is slow: the page is shown without its figures.") from None
    return None if found is None else json.loads(found)


async def recorded_by(
    host: PageHost,
    field: str,
    span: Mapping[str, str],
    *,
    with_last: bool = False,
    wait: float = _FIGURES_WAIT,
    **conditions: str,
) -> dict[str, Mapping[str, Any]]:
    """What the recorded requests of a span (`range`, or `since` and `until`) add up to, by value of a field:
    `requests`, `errors`, `input_tokens`, `output_tokens`, `cost` (US dollars), and `last`, Unix seconds of the last
    one, where it is asked for. `conditions` narrow them. Empty where nothing is recorded. Raises AreaFailure."""
    last = {"last": "1"} if with_last else {}
    figures = await recorded(host, "/figures.json", wait=wait, **span, by=field, **last, **conditions)
    return {row["name"]: row for row in figures or ()}
