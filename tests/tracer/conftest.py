"""A real engine for the tracer's tests: chdb, behind a separate HTTP front where a server is needed."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from tracer_harness import Front, Producers, end  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_no_engine: runs where chdb is not installed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("chdb") is not None:
        return
    skip = pytest.mark.skip(reason="chdb is not installed: run these tests in the environment `tracer`")
    here = f"{HERE}{os.sep}"
    for item in items:
        if str(item.path).startswith(here) and "needs_no_engine" not in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    server = Front(tmp_path / "engine")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def config(front: Front, tmp_path: Path) -> dict[str, Any]:
    """A tracer that writes into the front's database and flushes quickly."""
    return {
        "clickhouse": {"url": front.url, "username": "default", "password": "", "database": "traces"},
        "flushInterval": 300,
        # How long sending takes is not to depend on what else runs on the machine.
        "spool": {"path": str(tmp_path / "spool"), "sending": "normal"},
    }


@pytest.fixture
def producers(tmp_path: Path) -> Iterator[Producers]:
    started = Producers(tmp_path)
    yield started
    for process in started.running:
        if process.poll() is None:
            end(process)
        elif process.stdout is not None:
            process.stdout.close()
