"""What the console reads from areas of other plugins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_gateway_console.areas import AreaFailure, fetched, recorded_by

from llm_gateway_sdk.page_host import ConsoleArea


class Host:
    def __init__(self, status: int) -> None:
        self.asked: list[tuple[str, bytes]] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            self.asked.append((scope["path"], scope["query_string"]))
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"one ", "more_body": True})
            await send({"type": "http.response.body", "body": b"two"})

        self._areas = [ConsoleArea("traces", app)]

    def areas(self) -> list[ConsoleArea]:
        return self._areas


def read(host: Any, area: str = "traces") -> bytes | None:
    return asyncio.run(fetched(host, area, "/records.jsonl", "range=7d"))


def test_the_whole_body_of_an_area_is_read() -> None:
    host = Host(200)

    assert read(host) == b"one two"
    assert host.asked == [("/records.jsonl", b"range=7d")]


def test_an_area_that_is_not_there_has_no_body() -> None:
    assert read(Host(200), "other") is None


def test_an_area_without_an_answer_is_a_failure() -> None:
    with pytest.raises(AreaFailure, match="database"):
        read(Host(503))


def test_figures_of_a_slow_database_are_given_up() -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    host: Any = Host(200)
    host._areas = [ConsoleArea("traces", never)]
    with pytest.raises(AreaFailure, match="slow"):
        asyncio.run(recorded_by(host, "team", {"range": "7d"}, wait=0.01))
