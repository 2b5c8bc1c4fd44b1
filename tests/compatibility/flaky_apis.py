"""A provider of five APIs that fails as often as configured, before it answers."""

from __future__ import annotations

import asyncio

from five_apis import FiveApis, Received, send
from provider_errors import provider_error

__all__ = ["FlakyApis"]


class FlakyApis(FiveApis):
    """`fail_next("rate_limit", 2)` makes the next two requests fail so, each in the words of its API; with status 429
    they ask to wait for `wait` seconds."""

    def __init__(self) -> None:
        self._kind = ""
        self._left = 0
        self._wait = ""
        super().__init__()

    def fail_next(self, kind: str, times: int, wait: str = "0.01") -> None:
        self._kind, self._left, self._wait = kind, times, wait
        self.received.clear()

    async def _answer(self, dialect: str, received: Received, writer: asyncio.StreamWriter) -> None:
        if self._left <= 0:
            await super()._answer(dialect, received, writer)
            return
        self._left -= 1
        error = provider_error(dialect, self._kind)
        headers = {name: value for name, value in error.headers.items() if not name.startswith("retry-after")}
        if error.status == 429:
            headers["retry-after"] = self._wait
        await send(writer, error.status, error.body, headers)
