"""A warning that may be due with every record is logged once a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

__all__ = ["RareWarning"]

_SECONDS: Final = 60.0


class RareWarning:
    """Call it as `logger.warning`. What comes within a minute of the last line is left out."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._next = -float("inf")

    def __call__(self, message: str, *about: object, exc_info: bool = False) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + _SECONDS
            self._logger.warning(message, *about, exc_info=exc_info)
