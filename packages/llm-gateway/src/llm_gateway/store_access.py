"""The store of a configuration, for commands that work on it next to a running gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk.store import Store

from .loading import load
from .store_settings import build_store

__all__ = ["open_store"]


def open_store(config: str, plugin: str = "") -> tuple[Store, Mapping[str, Any]]:
    """The store of the configuration in the file `config`, and the settings of its first plugin of the type `plugin`
    (empty where it has none). The caller closes it. Raises ConfigError.
    """
    loaded = load(config)
    settings: Mapping[str, Any] = {}
    for project in loaded.config.projects.values():
        for each in project.plugins:
            if each.type == plugin and not settings:
                settings = each.config
    written = loaded.config.store
    store = build_store(loaded.extensions, written.url.get_secret_value(), written.config, loaded.config.directory)
    return store, settings
