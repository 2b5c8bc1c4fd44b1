"""The HTTP clients of providers. The only room that knows httptools, aiohttp and httpx.

The native engine is the default; the one over aiohttp has the same interface. `httpx_client` gives extension authors a
plain `httpx.AsyncClient` over either of them.
"""

from __future__ import annotations

from .engine import NativeClient
from .settings import TransportSettings

__all__ = ["NativeClient", "TransportSettings"]
