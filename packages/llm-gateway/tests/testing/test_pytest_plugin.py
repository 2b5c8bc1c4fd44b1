"""The fixture `gateway_client`, as another distribution's tests use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm_gateway.testing import GatewayClient

ECHO = "models: [{name: m, isDefault: true, provider: {type: echo}}]"


@pytest.fixture
def both_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requested first, so that it ends last: then both gateways are closed."""
    closed: list[GatewayClient] = []
    close = GatewayClient.close

    def noted(client: GatewayClient) -> None:
        closed.append(client)
        close(client)

    monkeypatch.setattr(GatewayClient, "close", noted)
    yield
    assert len(set(map(id, closed))) == 2


def test_a_test_may_make_several_gateways(both_are_closed: None, gateway_client: Callable[..., GatewayClient]) -> None:
    first, second = gateway_client(ECHO), gateway_client(ECHO)

    body = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}
    assert [client.post("/openai/v1/chat/completions", json=body).status for client in (first, second)] == [200, 200]


def test_what_is_wrong_with_a_configuration_is_raised(gateway_client: Callable[..., Any]) -> None:
    from llm_gateway_sdk import ConfigError

    with pytest.raises(ConfigError, match="modles"):
        gateway_client("modles: []")
