"""The time limits of one call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_gateway.exchange.time_limits import limits_of
from llm_gateway_sdk import HTTPProvider, InvalidRequest


def _provider(**config: Any) -> HTTPProvider:
    provider = HTTPProvider()
    asyncio.run(provider.configure({"baseUrl": "http://127.0.0.1:1", **config}))
    return provider


def test_a_client_shortens_the_limits_of_the_provider_and_lengthens_none() -> None:
    http = _provider(timeout="20s", firstTokenTimeout="10s", streamIdleTimeout="5s")

    plain = limits_of({"host": "a"}, http)
    own = limits_of({"x-llm-gateway-timeout": "8s", "x-llm-gateway-stream-idle-timeout": "9000"}, http)

    assert (plain.total, plain.first_token, plain.idle) == (20, 10, 5)
    assert (own.total, own.first_token, own.idle) == (8, 10, 5)


@pytest.mark.parametrize("value", ["soon", "-1", "", "1e999"])
def test_what_is_not_a_duration_is_refused_with_the_header_named(value: str) -> None:
    with pytest.raises(InvalidRequest, match="x-llm-gateway-first-token-timeout"):
        limits_of({"x-llm-gateway-first-token-timeout": value}, _provider())
