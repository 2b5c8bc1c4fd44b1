"""A body that is handed on while it arrives. Reading from its connection pauses while what has come is not taken."""

from __future__ import annotations

from .intake import Intake, Readable
from .pace import Pace

__all__ = ["Upload"]


class Upload(Intake):
    """`length` is that of the body, where its head gives one. While reading is paused its pace is not measured."""

    __slots__ = ("_pace", "length")

    def __init__(self, length: int | None, connection: Readable, pace: Pace) -> None:
        super().__init__(connection)
        self.length = length
        self._pace = pace

    def _hold(self) -> None:
        self._pace.hold()
        super()._hold()

    def _go_on(self) -> None:
        self._pace.go_on()
        super()._go_on()
