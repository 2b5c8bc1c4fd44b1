"""Fixtures for pytest, found by its entry point wherever the SDK is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .harness import PluginHarness


@pytest.fixture
def plugin_harness() -> Iterator[Callable[..., PluginHarness]]:
    """Makes PluginHarnesses, `plugin_harness(MyPlugin, config)`, and closes them and their plugins after the test."""
    from .harness import PluginHarness

    made: list[PluginHarness] = []

    def make(plugin: Any, config: Any = None, **options: Any) -> PluginHarness:
        harness = PluginHarness(plugin, config, **options)
        made.append(harness)
        return harness

    yield make
    for harness in reversed(made):
        harness.close()
