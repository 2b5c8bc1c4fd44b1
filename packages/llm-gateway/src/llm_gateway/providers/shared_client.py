"""The HTTP client for providers that call the network by themselves: one for all of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_gateway_sdk import HTTPClient, ProviderServices

__all__ = ["SharedClient"]


class SharedClient(ProviderServices):
    """`open_pool` gives the connection pool, which its owner closes; it is opened when a provider first asks."""

    def __init__(self, open_pool: Callable[[], HTTPClient]) -> None:
        self._open_pool = open_pool
        self._client: Any = None

    def http_client(self) -> Any:
        """An `httpx.AsyncClient`; see ProviderServices."""
        if self._client is None:
            from .transport.httpx_shim import httpx_client

            self._client = httpx_client(self._open_pool())
        return self._client

    async def aclose(self) -> None:
        """Closes the client and leaves the pool open."""
        if self._client is not None:
            await self._client.aclose()
