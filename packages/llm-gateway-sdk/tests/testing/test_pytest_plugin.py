"""The fixture `plugin_harness`, as a plugin author's tests use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm_gateway_sdk import Plugin, plugin_metadata
from llm_gateway_sdk.testing import PluginHarness

CLOSED: list[str] = []


@plugin_metadata(name="noted")
class Noted(Plugin):
    async def close(self) -> None:
        CLOSED.append(self.config["name"])


@pytest.fixture
def closed_in_turn() -> Iterator[None]:
    """Requested first, so that it ends last: then all plugins are closed, the last first."""
    CLOSED.clear()
    yield
    assert CLOSED == ["second", "first"]


def test_a_test_may_make_several_harnesses(closed_in_turn: None, plugin_harness: Callable[..., PluginHarness]) -> None:
    first, second = (plugin_harness(Noted, {"name": name}) for name in ("first", "second"))

    assert [harness.ask(reply="hi").text for harness in (first, second)] == ["hi", "hi"]
    assert CLOSED == []


def test_settings_that_are_wrong_are_raised(plugin_harness: Callable[..., Any]) -> None:
    from llm_gateway_sdk import ConfigError

    cls = plugin_metadata(name="strict", configuration_schema={"type": "object", "required": ["a"]})(
        type("Strict", (Plugin,), {})
    )
    with pytest.raises(ConfigError, match="a"):
        plugin_harness(cls, {})
