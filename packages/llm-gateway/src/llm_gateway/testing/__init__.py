"""Tests through the whole gateway: a client without sockets, and the matrix of hooks over routes.

What needs no gateway (PluginHarness, ScriptedModel, FakeUpstream) is in `llm_gateway_sdk.testing`. Nothing is imported
before it is used, so that pytest, which loads this package in every run, does not pay for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Answer, GatewayClient, gateway_client
    from .matrix import HookCase, assert_hooks_fire, hook_cases

__all__ = ["Answer", "GatewayClient", "HookCase", "assert_hooks_fire", "gateway_client", "hook_cases"]

_HOMES = {
    "Answer": "client",
    "GatewayClient": "client",
    "gateway_client": "client",
    "HookCase": "matrix",
    "assert_hooks_fire": "matrix",
    "hook_cases": "matrix",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
