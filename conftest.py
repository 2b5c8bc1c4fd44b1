"""What concerns every test of the repository."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# How fast the machine is decides nothing.
settings.register_profile("repository", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repository")


def pytest_report_header(config: pytest.Config) -> str | None:
    """How long a run of everything takes, for someone who starts the first one."""
    if config.args and config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return None
    return "the whole suite: about 7 minutes on two cores (`hatch run test -k redaction` runs a part of it)"


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
