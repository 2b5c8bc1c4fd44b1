"""Tests for plugins, providers and dialects, without a server, a network or a model.

Synchronous outside: a plain `def test_…` is all that a test needs. Nothing is imported before it is used, so that
pytest, which loads this package in every run, does not pay for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..field_docs import show_fields

if TYPE_CHECKING:
    from .harness import Mount, PluginHarness, Reply
    from .invariants import assert_stream_invariant, assert_survives_every_part
    from .provider_harness import HTTPAnswer, ProviderHarness, ProviderReply, ScriptedHTTP
    from .script import Pause, ScriptedModel, every_part, every_request, pause, tool_call
    from .upstream import FakeUpstream

__all__ = [
    "FakeUpstream",
    "HTTPAnswer",
    "Mount",
    "Pause",
    "PluginHarness",
    "ProviderHarness",
    "ProviderReply",
    "Reply",
    "ScriptedHTTP",
    "ScriptedModel",
    "assert_stream_invariant",
    "assert_survives_every_part",
    "every_part",
    "every_request",
    "pause",
    "tool_call",
]

_HOMES = {
    "FakeUpstream": "upstream",
    "Mount": "harness",
    "PluginHarness": "harness",
    "Reply": "harness",
    "HTTPAnswer": "provider_harness",
    "ProviderHarness": "provider_harness",
    "ScriptedHTTP": "provider_harness",
    "ProviderReply": "provider_harness",
    "Pause": "script",
    "ScriptedModel": "script",
    "every_part": "script",
    "every_request": "script",
    "pause": "script",
    "tool_call": "script",
    "assert_stream_invariant": "invariants",
    "assert_survives_every_part": "invariants",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    show_fields([found])
    return found
