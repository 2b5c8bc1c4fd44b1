"""One upstream of five APIs and one gateway before it, for all tests of official clients."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
# At the end: a `conftest` next to a test that imports it by that name comes first.
sys.path += [str(TESTS / name) for name in ("compatibility", "end_to_end", "agents")] + [str(TESTS.parent / "tools")]

from five_apis import FiveApis, models_of  # noqa: E402
from served_gateway import ServedGateway  # noqa: E402
from shared_outcomes import SharedOutcomes  # noqa: E402


@pytest.fixture(scope="session")
def apis() -> Iterator[FiveApis]:
    server = FiveApis()
    yield server
    server.close()


@pytest.fixture(scope="session")
def gateway(apis: FiveApis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    """A model for each API, named after it, and no plugin."""
    served = ServedGateway({"models": models_of(apis.url)}, tmp_path_factory.mktemp("compatibility"))
    yield served
    served.stop()


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> SharedOutcomes:
    folder = tmp_path_factory.getbasetemp()
    return SharedOutcomes((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "outcomes")
