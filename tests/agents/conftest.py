"""Strict servers of all vendors and one gateway before them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
# At the end: a `conftest` next to a test that imports it by that name comes first.
sys.path += [str(TESTS / name) for name in ("agents", "compatibility", "end_to_end")] + [str(TESTS.parent / "tools")]

from served_gateway import ServedGateway  # noqa: E402
from strict_servers import StrictServers, models  # noqa: E402


@pytest.fixture(scope="session")
def _servers() -> Iterator[StrictServers]:
    server = StrictServers()
    yield server
    server.close()


@pytest.fixture
def servers(_servers: StrictServers) -> StrictServers:
    """With nothing left of the test before."""
    _servers.forget()
    return _servers


@pytest.fixture(scope="session")
def gateway(_servers: StrictServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    served = ServedGateway({"models": models(_servers.url)}, tmp_path_factory.mktemp("agents"))
    yield served
    served.stop()
