"""Ends a test that nothing else ends.

pytest-timeout raises an exception in a test that takes too long. A test that holds the interpreter, or that hangs once
more while it cleans up, is not ended by that, and the whole run would wait for it. A minute later the process writes
where each thread is and exits: the run goes on in another process and names the test.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator

import pytest

_MORE_SECONDS = 60.0
_ERRORS = pytest.StashKey[int]()
"""A copy of the process's descriptor of errors, which no test captures."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ERRORS] = os.dup(2)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker is not None and marker.args else item.config.getini("timeout") or 0)
    if seconds:
        faulthandler.dump_traceback_later(seconds + _MORE_SECONDS, exit=True, file=item.config.stash[_ERRORS])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
