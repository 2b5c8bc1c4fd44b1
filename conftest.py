"""What keeps one test from stopping a whole run.

pytest-timeout raises an exception in a test that takes too long. A test that holds the interpreter, or that hangs once
more while it cleans up, is not ended by that, and the whole run would wait for it. A minute later the process writes
where each thread is and exits: the run goes on in another process and names the test.

pytest-xdist sends the report of a test between processes as UTF-8. One with half a letter in what was captured (a test
may log such a text) ends its process, and the tests that this one still had are waited for without end.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from typing import Any

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


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Iterator[None]:
    return _sendable((yield))


def _sendable(value: Any) -> Any:
    """The same with escapes for what UTF-8 can't express."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_sendable(key): _sendable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_sendable, value))
    return value
