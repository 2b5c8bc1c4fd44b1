"""Plugins that can't run in several worker processes."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from llm_gateway.config.schema import PluginConfig
from llm_gateway.single_process import requires_single_process
from llm_gateway_sdk import Plugin


class Anywhere(Plugin): ...


class Alone(Plugin):
    single_process: ClassVar[bool] = True


class BySettings(Plugin):
    @classmethod
    def is_single_process(cls, config: dict[str, Any]) -> bool:
        return "file" in config


@pytest.mark.parametrize(
    ("plugin", "config", "single"),
    [(Anywhere, {}, False), (Alone, {}, True), (BySettings, {"file": "x"}, True), (BySettings, {}, False)],
)
def test_the_class_decides_or_its_settings(plugin: type[Plugin], config: dict[str, Any], single: bool) -> None:
    written = PluginConfig.model_validate({"name": "p", "type": "p", "config": config})

    assert requires_single_process(plugin, written) is single
