"""Bodies that are sent while they arrive, no faster than they are taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from llm_gateway_sdk.errors import ModelConnectionError, ModelError

__all__ = ["Pumping"]


class Pumping(asyncio.Protocol):
    """The side of a connection that sends such bodies."""

    __slots__ = ("_full", "_transport", "loop", "pumping")

    _transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.pumping = False
        """A body is on its way, and not all of it is written: the connection can't be used again."""
        self._full: asyncio.Future[None] | None = None
        """Until it is done, more is written than the other side has taken."""

    async def pump(self, body: AsyncIterable[bytes]) -> None:
        """Sends the body of a request that was started without one. What the body raises breaks the connection off, and
        is raised. A connection that closes ends it."""
        self.pumping = True
        try:
            async for piece in body:
                if self._full is not None:
                    await self._full
                if self._transport.is_closing():
                    return
                self._transport.write(piece)
        except Exception:
            self.break_off(ModelConnectionError("The request's body ended early."))
            raise
        self.pumping = False

    def break_off(self, error: ModelError) -> None:
        raise NotImplementedError

    def pause_writing(self) -> None:
        self._full = self.loop.create_future()

    def resume_writing(self) -> None:
        full, self._full = self._full, None
        if full is not None and not full.done():
            full.set_result(None)
