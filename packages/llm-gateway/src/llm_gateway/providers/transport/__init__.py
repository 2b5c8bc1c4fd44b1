"""The HTTP clients of providers. The only room that knows httptools, aiohttp and httpx.

The native engine is the default; the one over aiohttp has the same interface. `httpx_shim` gives extension authors a
plain `httpx.AsyncClient` over either of them; it is imported by those who need it, for httpx is a large import.
"""

from __future__ import annotations

from typing import Literal

from llm_gateway_sdk.http import HTTPClient

from .engine import NativeClient
from .settings import TransportSettings

__all__ = ["Engine", "NativeClient", "TransportSettings", "create_client"]

Engine = Literal["native", "aiohttp"]


def create_client(engine: Engine = "native", settings: TransportSettings | None = None) -> HTTPClient:
    """A client for the event loop in which it is first used. Raises ValueError for an unknown engine."""
    match engine:
        case "native":
            return NativeClient(settings)
        case "aiohttp":
            from .aiohttp_engine import AiohttpClient  # a heavy import that the native engine does not need

            return AiohttpClient(settings)
    raise ValueError(f"unknown HTTP engine {engine!r} (known: native, aiohttp)")
