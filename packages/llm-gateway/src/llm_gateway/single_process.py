"""Plugins that can't run in several worker processes, such as one with an embedded database."""

from __future__ import annotations

from typing import Any

from .config.schema import PluginConfig

__all__ = ["requires_single_process"]


def requires_single_process(plugin: type[Any], config: PluginConfig) -> bool:
    """Whether a plugin, as it is configured, can only run in one process.

    A plugin class reports it by `single_process = True`, or decides by its settings in `is_single_process(config)`.
    """
    decide = getattr(plugin, "is_single_process", None)
    return bool(decide(config.config) if callable(decide) else plugin.single_process)
