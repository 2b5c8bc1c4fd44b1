"""A gateway with a console, and people with cookies who use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_gateway.testing import GatewayClient

sys.path.insert(0, str(Path(__file__).parent))

from console_people import ADMIN, CONFIGURATION, OPERATOR, VIEWER, Person
from console_recorded import Recorded


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayClient]:
    with GatewayClient(CONFIGURATION, directory=tmp_path) as client:
        yield client


@pytest.fixture
def traced_admin(tmp_path: Path) -> Iterator[Person]:
    """An admin of a gateway that has recorded requests."""
    text = CONFIGURATION + "  - {name: recorded, type: recorded}\n"
    with GatewayClient(text, directory=tmp_path, extensions=[Recorded]) as client:
        yield Person(client).sign_in(ADMIN)


@pytest.fixture
def stranger(gateway: GatewayClient) -> Person:
    return Person(gateway)


@pytest.fixture
def admin(gateway: GatewayClient) -> Person:
    return Person(gateway).sign_in(ADMIN)


@pytest.fixture
def operator(gateway: GatewayClient) -> Person:
    return Person(gateway).sign_in(OPERATOR)


@pytest.fixture
def viewer(gateway: GatewayClient) -> Person:
    return Person(gateway).sign_in(VIEWER)
