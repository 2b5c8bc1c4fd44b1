"""What a plugin is: metadata, and a base whose hooks do nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, Field

from llm_gateway_sdk import Plugin, RequestContext, plugin_metadata
from llm_gateway_sdk.plugin import HOOKS, GatewayServices


class Settings(BaseModel):
    max_words: int = Field(default=3, alias="maxWords")


def test_a_pydantic_model_gives_the_schema_in_the_spelling_of_yaml() -> None:
    @plugin_metadata(name="made", version="1.2.3", keywords=["a"], configuration_schema=Settings)
    class Made(Plugin): ...

    assert Made.metadata.configuration_model is Settings
    assert set(Made.metadata.configuration_schema["properties"]) == {"maxWords"}
    assert (Made.metadata.name, Made.metadata.version, Made.metadata.keywords) == ("made", "1.2.3", ("a",))


@pytest.mark.parametrize("schema", [None, {"type": "object"}])
def test_a_schema_may_be_left_out(schema: Any) -> None:
    @plugin_metadata(name="made", configuration_schema=schema)
    class Made(Plugin): ...

    assert Made.metadata.configuration_schema == {"type": "object"}
    assert Made.metadata.configuration_model is None


@pytest.mark.parametrize("schema", ["text", 3, int, []], ids=str)
def test_anything_else_is_not_a_schema(schema: Any) -> None:
    with pytest.raises(TypeError, match=r"plugin_metadata of 'made': configuration_schema must be a JSON Schema"):
        plugin_metadata(name="made", configuration_schema=schema)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_plugin_needs_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match="a plugin needs a name"):
        plugin_metadata(name=name)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_is_not_defined_does_nothing(hook: str) -> None:
    plugin = Plugin()

    ctx = RequestContext(request_id="r")
    assert getattr(plugin, hook)(ctx) is None
    assert plugin.wants(hook, ctx) is True


def test_a_plugin_takes_its_settings_and_adds_nothing_by_default() -> None:
    plugin = Plugin()
    asyncio.run(plugin.configure({"a": 1}))

    assert plugin.config == {"a": 1}
    assert (plugin.metrics(), plugin.pages(), list(plugin.console_areas()), list(plugin.admin_routes())) == (
        {},
        {},
        [],
        [],
    )
    assert asyncio.run(plugin.validate_config({})) is True


def test_without_a_gateway_services_fail_with_the_reason() -> None:
    services = GatewayServices()

    for ask in (lambda: services.shared("k", dict), services.http_client, lambda: services.store):
        with pytest.raises(LookupError, match="no gateway is running"):
            ask()
    assert (list(services.models), services.project, services.workers) == ([], "default", 1)
    assert (services.prices_of("m"), services.facts_of("m"), services.secret("x")) == (None, None, b"")


class Anywhere(Plugin): ...


class Alone(Plugin):
    single_process = True


class BySettings(Plugin):
    @classmethod
    def is_single_process(cls, config: Mapping[str, Any]) -> bool:
        return "file" in config


@pytest.mark.parametrize(
    ("plugin", "config", "single"),
    [(Anywhere, {}, False), (Alone, {}, True), (BySettings, {"file": "x"}, True), (BySettings, {}, False)],
)
def test_the_class_or_its_settings_decide_whether_it_runs_in_one_process(
    plugin: type[Plugin], config: dict[str, Any], single: bool
) -> None:
    assert plugin.is_single_process(config) is single
