"""What concerns every test of the repository."""

from __future__ import annotations

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
