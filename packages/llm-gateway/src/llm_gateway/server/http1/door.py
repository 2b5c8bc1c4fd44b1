"""What the connections of one server share: the application, limits, memory for bodies, and who reads slowly."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Protocol

from llm_gateway_sdk import GatewayError
from llm_gateway_sdk.guesses import network_of

from ...wire.batched_writes import Writes
from ..uploads import UploadPool
from .cycle import Cycle
from .head_memory import HeadMemory

if TYPE_CHECKING:
    from ..slow_readers import Reader

__all__ = ["Application", "Door", "Limits", "ServedConnection"]

log = logging.getLogger("llm_gateway.server")


@dataclass(slots=True, frozen=True)
class Limits:
    """Bounds of a connection. Sizes in bytes, times in seconds."""

    head_bytes: int = 64 * 1024
    body_bytes: int = 64 << 20
    upload_bytes: int = 1 << 30
    """Of a body that is handed on while it arrives."""
    header_timeout: float = 30.0
    """For a whole head, and for silence within a body."""
    idle_timeout: float = 75.0


class Application(Protocol):
    """What answers the requests."""

    def refuses_early(self, cycle: Cycle) -> GatewayError | None:
        """Why a request is refused before its body is read; None where it is not."""
        ...

    def takes_upload(self, cycle: Cycle) -> bool:
        """Whether its body is handed on while it arrives."""
        ...

    def takes_duplex(self, cycle: Cycle) -> bool:
        """Whether its offer of another protocol is taken."""
        ...

    def authenticates_early(self, cycle: Cycle) -> Awaitable[GatewayError | None] | None:
        """The same for the credential in its head; None where that can't be known from the head alone."""
        ...

    def client_address(self, cycle: Cycle) -> str | None:
        """Who is asking, also through trusted proxies."""
        ...

    async def handle(self, cycle: Cycle) -> None:
        """Answers a request whose body is whole, or is refused. Writes the reply to the cycle."""
        ...


class ServedConnection(Protocol):
    def shutdown(self) -> None: ...

    def abort(self) -> None: ...


class SlowReaderRegister(Protocol):
    def add(self, reader: Reader) -> None: ...

    def weigh(self, reader: Reader) -> None: ...

    def discard(self, reader: Reader) -> None: ...


class Door:
    """One per server. `limits` may be exchanged while it serves."""

    def __init__(
        self,
        application: Application,
        loop: asyncio.AbstractEventLoop,
        *,
        limits: Limits,
        uploads: UploadPool,
        slow_readers: SlowReaderRegister,
    ) -> None:
        self.application = application
        self.loop = loop
        self.limits = limits
        self.uploads = uploads
        self.slow_readers = slow_readers
        self.heads = HeadMemory()
        self.writes = Writes(loop)
        self.connections: set[ServedConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.date_line = b""
        self._ticker: asyncio.TimerHandle | None = None
        self._tick()

    def count_upload(self, cycle: Cycle, size: int) -> None:
        """More (or, below zero, less) of its body is held."""
        share = cycle.share
        if share is None:
            share = cycle.share = network_of(self.application.client_address(cycle))
        if size > 0:
            self.uploads.take(share, size)
        else:
            self.uploads.give_back(share, -size)

    def close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def _tick(self) -> None:
        self.date_line = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
        self._ticker = self.loop.call_later(1.0, self._tick)
