"""Projects inherit from the default project. One pure function over settings, `inherit`, and what it is made of.

- models and plugins: the default's first, then the project's own; the same name replaces in the default's position
- the default model: the project's own, else the inherited; a replacement stays the default unless `isDefault: false`
is written
- adapters: the project's where written, else the default's, else all that are installed
- single settings: the project's where written, else the default's, else the built-in default
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from llm_gateway.config.project import DEFAULT_PROJECT, ProjectConfig
from llm_gateway.config.schema import (
    AdapterConfig,
    GatewayFile,
    ModelConfig,
    PluginConfig,
    ProjectFlags,
    ProjectSettings,
)

Named = TypeVar("Named", ModelConfig, PluginConfig)


def inherit(default: GatewayFile, project: ProjectSettings, *, adapters: Sequence[str]) -> ProjectConfig:
    """The project with all that it inherits. `adapters` are the types that are installed."""
    models = _replace_by_name(default.models, project.models)
    chosen = _default_model(default.models, project.models)
    return ProjectConfig(
        name=project.name,
        description=project.description,
        models=[model.model_copy(update={"is_default": model.name == chosen}) for model in models],
        default_model=chosen,
        plugins=_in_order(_replace_by_name(default.plugins, project.plugins)),
        adapters=_enabled_adapters(project.adapters, default.adapters, installed=adapters),
        **_flags(project, default),
    )


def default_project(default: GatewayFile, *, adapters: Sequence[str]) -> ProjectConfig:
    """The default project itself."""
    return ProjectConfig(
        name=DEFAULT_PROJECT,
        is_default_project=True,
        models=list(default.models),
        default_model=_default_model(default.models, []),
        plugins=_in_order(default.plugins),
        adapters=_enabled_adapters(default.adapters, installed=adapters),
        **_flags(default),
    )


def _replace_by_name(inherited: Sequence[Named], own: Sequence[Named]) -> list[Named]:
    replacements = {entry.name: entry for entry in own}
    merged = [replacements.pop(entry.name, entry) for entry in inherited]
    return merged + [entry for entry in own if entry.name in replacements]


def _default_model(inherited: Sequence[ModelConfig], own: Sequence[ModelConfig]) -> str | None:
    chosen = next((model.name for model in own if model.is_default), None)
    if chosen is not None:
        return chosen
    chosen = next((model.name for model in inherited if model.is_default), None)
    if any(model.name == chosen and model.is_default is False for model in own):
        return None
    return chosen


def _in_order(plugins: Iterable[PluginConfig]) -> list[PluginConfig]:
    return sorted((plugin for plugin in plugins if plugin.enabled), key=lambda plugin: plugin.priority)


def _enabled_adapters(*written: Sequence[AdapterConfig] | None, installed: Sequence[str]) -> list[AdapterConfig]:
    for adapters in written:
        if adapters is not None:
            return [adapter for adapter in adapters if adapter.enabled]
    return [AdapterConfig(name=name, type=name) for name in installed]


def _flags(*levels: ProjectFlags) -> dict[str, Any]:
    """What is written at the first level that has it; what none has keeps the default of `ProjectConfig`."""
    flags: dict[str, Any] = {}
    for name in ProjectFlags.model_fields:
        value = next((value for level in levels if (value := getattr(level, name)) is not None), None)
        if value is not None:
            flags[name] = value
    return flags
