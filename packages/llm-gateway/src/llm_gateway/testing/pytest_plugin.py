"""The fixture `gateway_client`, found by its entry point wherever the gateway is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import GatewayClient


@pytest.fixture
def gateway_client() -> Iterator[Callable[..., GatewayClient]]:
    """Makes GatewayClients, `gateway_client(yaml)`, and closes them and their gateways after the test."""
    from .client import GatewayClient

    made: list[GatewayClient] = []

    def make(configuration: Any, **options: Any) -> GatewayClient:
        client = GatewayClient(configuration, **options)
        made.append(client)
        return client

    yield make
    for client in reversed(made):
        client.close()
