"""One upstream of five APIs and a gateway before it, with a project that is strict."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
# At the end: a `conftest` next to a test that imports it by that name comes first.
sys.path += [str(TESTS / name) for name in ("errors", "compatibility", "end_to_end", "losses")] + [
    str(TESTS.parent / "tools")
]

from five_apis import FiveApis, models_of  # noqa: E402
from served_gateway import ServedGateway  # noqa: E402


@pytest.fixture(scope="session")
def apis() -> Iterator[FiveApis]:
    server = FiveApis()
    yield server
    server.close()


@pytest.fixture(scope="session")
def gateway(apis: FiveApis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    """A model for each API, named after it; the project `exact` is strict."""
    config = {"models": models_of(apis.url), "projects": [{"name": "exact", "strict": True}]}
    served = ServedGateway(config, tmp_path_factory.mktemp("losses"))
    yield served
    served.stop()
