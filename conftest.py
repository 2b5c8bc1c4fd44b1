"""What concerns every test of the repository."""

from __future__ import annotations

import faulthandler
import gc
import importlib.metadata
import os
import ssl
import sys
from collections.abc import Generator
from functools import cache
from typing import Any

import certifi
import pytest
from hypothesis import HealthCheck, settings

# How fast the machine is decides nothing.
settings.register_profile("repository", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repository")


_create_context = ssl.create_default_context
_authorities = cache(_create_context)


def _shared_context(*arguments: Any, **options: Any) -> ssl.SSLContext:
    """Reading the public certificate authorities takes 30 ms, and each client of each official SDK does it when it is
    made, also for addresses without TLS: that was a tenth of the suite."""
    public = (certifi.where(), os.environ.get("SSL_CERT_FILE", certifi.where()))
    if not arguments and options.get("cafile") in public and options.keys() <= {"cafile", "capath"}:
        return _authorities(**options)
    return _create_context(*arguments, **options)


ssl.create_default_context = _shared_context

_entry_points = importlib.metadata.entry_points
_installed = cache(lambda _: _entry_points())


def _known_entry_points(**wanted: str) -> importlib.metadata.EntryPoints:
    """What is installed does not change while tests run. Each gateway reads it when it starts, 30 ms long."""
    found: importlib.metadata.EntryPoints = _installed(tuple(sys.path))
    return found.select(**wanted) if wanted else found


importlib.metadata.entry_points = _known_entry_points
_metadata = importlib.metadata.PathDistribution.metadata.fget  # type: ignore[attr-defined]
_known_metadata = cache(lambda path, _: _metadata(importlib.metadata.PathDistribution(path)))
importlib.metadata.PathDistribution.metadata = property(  # type: ignore[assignment,misc]
    lambda distribution: _known_metadata(distribution._path, distribution._path.stat().st_mtime)
)


def pytest_report_header(config: pytest.Config) -> str | None:
    """How long a run of everything takes, for someone who starts the first one."""
    if config.args and config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return None
    return "the whole suite: about 9 minutes on two cores (`hatch run test -k redaction` runs a part of it)"


_WAITING = (
    "test_stores.py", "test_store_troubles.py", "test_cut_streams.py", "test_governance.py", "test_on_leave.py",
    "test_workers.py", "test_front_door.py", "test_every_route.py", "test_lifecycle_matrix.py",
    "test_canary_replies.py", "test_heavy_bodies.py", "test_cancellation.py", "test_freed.py",
)  # fmt: skip
"""Files whose tests wait more than they work, or take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes begin with what takes long: at the end there is nothing left with which a wait could be filled. Each
    gets a part of the list, one after another, and takes from the others when it is done."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes == 1:
        return
    files: dict[str, list[pytest.Item]] = {}
    rest: list[pytest.Item] = []
    for item in items:
        (files.setdefault(str(item.path), []) if item.path.name in _WAITING else rest).append(item)
    waiting = sorted(files.values(), key=lambda found: _WAITING.index(found[0].path.name))
    size = -(-len(items) // processes)
    items.clear()
    for number in range(processes):
        for found in waiting[number::processes]:
            items += found
        wanted = size * (number + 1) - len(items)
        items += rest[:wanted]
        del rest[:wanted]
    items += rest


_ERRORS = pytest.StashKey[int]()
"""A copy of the process's descriptor of errors, which no test captures."""
_MORE_SECONDS = 60.0


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ERRORS] = os.dup(2)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """pytest-timeout raises an exception in a test that takes too long. A test that holds the interpreter, or that
    hangs once more while it cleans up, is not ended by that, and the whole run would wait for it. A minute later the
    process prints where each thread is and exits: the run goes on in another process and names the test."""
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker is not None and marker.args else item.config.getini("timeout") or 0)
    if seconds:
        faulthandler.dump_traceback_later(seconds + _MORE_SECONDS, exit=True, file=item.config.stash[_ERRORS])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_collection_finish() -> None:
    """Gateways collect garbage when they start: that must not go through all tests of the repository each time."""
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long bytes are not a test's name: they may differ between the processes of a run, which must find the same."""
    return argname if isinstance(val, bytes) and len(val) > 40 else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tests log half letters on purpose, which can't be sent from a process of a run to its parent."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    failure = report.longreprtext.encode(errors="backslashreplace").decode()
    if failure != report.longreprtext:
        report.longrepr = failure
    return report
