"""What a client sends on a connection that has left HTTP: bytes as they come, at the pace at which they are taken."""

from __future__ import annotations

import asyncio

from .intake import Intake, Readable

__all__ = ["Duplex"]


class Duplex(Intake):
    """`going_away` is set when the server begins to end: the handler of the connection then ends it cleanly."""

    __slots__ = ("going_away",)

    def __init__(self, connection: Readable) -> None:
        super().__init__(connection)
        self.going_away = asyncio.Event()

    def go_away(self) -> None:
        self.going_away.set()
