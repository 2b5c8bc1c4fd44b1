"""What a client saw of the gateway, for all tests that look at it: it runs once, in whichever process asks first."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Skipped(Exception):
    """The client can't be had on this machine, with the reason."""


class SharedOutcomes:
    """Outcomes by name, in a folder that the processes of a test run share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Any] = {}

    def of(self, name: str, run: Callable[[], Any]) -> Any:
        """What `run` gave, here or in another process. It may raise Skipped: then all tests of the name are skipped."""
        if name not in self._known:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._known[name] = self._shared(self._folder / f"{name}.json", run)
        outcome, reason = self._known[name]
        if reason is not None:
            pytest.skip(reason)
        return outcome

    def _shared(self, file: Path, run: Callable[[], Any]) -> Any:
        if not file.is_file():
            try:
                found = [run(), None]
            except Skipped as skipped:
                found = [None, str(skipped)]
            file.write_text(json.dumps(found))
        return json.loads(file.read_text())
