"""Names in a valid configuration that probably mean something else: a model that another vendor serves, a fallback that
has been asked already, conditions and limits that nothing can meet.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args
from urllib.parse import urlsplit

from llm_gateway_model_book import shipped_book

from llm_gateway_sdk import LLMRequest, Operation
from llm_gateway_sdk.wildcards import wildcard

from .config.document import Path
from .config.project import GatewayConfig, ProjectConfig
from .config.schema import ModelConfig, PluginConfig
from .config.schema_views import marked
from .extensions import Extensions

__all__ = ["doubtful_names"]

Found = tuple[Path, str]

_VENDORS = {"anthropic", "cohere", "deepseek", "gemini", "mistral", "openai", "xai"}
"""Provider types that, at the vendor's own address, serve the vendor's models and no others."""

_TYPE_OF_HOST = {"google": "gemini"}
"""Provider types by tables of the model book, where they differ."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def doubtful_names(config: GatewayConfig, extensions: Extensions) -> Iterator[Found]:
    """Each with its place. What several projects inherit is doubtful where it is so in all of them."""
    projects = list(config.projects.values())
    seen: set[Path] = set()
    for project in projects:
        for model in project.models:
            if model.place not in seen:
                seen.add(model.place)
                yield from _other_vendor(model, extensions)
                yield from _no_field(model)
    for plugins in _by_place(projects):
        holders = [project for project, _ in plugins]
        plugin = plugins[0][1]
        yield from _conditions(plugin, holders, extensions)
        if plugin.type not in extensions.names("plugin"):
            continue
        schema = extensions.get("plugin", plugin.type).schema
        yield from _repeated(plugin, schema, holders)
        yield from _unmatched(plugin, schema, holders, config)


def _by_place(projects: Iterable[ProjectConfig]) -> Iterable[list[tuple[ProjectConfig, PluginConfig]]]:
    """Each written plugin with the projects in whose chains it is."""
    found: dict[Path, list[tuple[ProjectConfig, PluginConfig]]] = {}
    for project in projects:
        for plugin in project.plugins:
            found.setdefault(plugin.place, []).append((project, plugin))
    return found.values()


# Models.


def _other_vendor(model: ModelConfig, extensions: Extensions) -> Iterator[Found]:
    provider = model.provider
    if provider.type not in _VENDORS or provider.type not in extensions.names("provider"):
        return
    usual = getattr(extensions.get("provider", provider.type).cls, "default_base_url", "")
    written = provider.config.get("baseUrl")
    if isinstance(written, str) and urlsplit(written).hostname != urlsplit(usual).hostname:
        return
    asked = provider.config.get("model") or model.name
    entry = shipped_book().find(str(asked), provider.type)
    if entry is None or entry.facts.assumed_from:
        return
    vendor = _TYPE_OF_HOST.get(entry.host, entry.host)
    if vendor in _VENDORS and vendor != provider.type:
        place = ("provider", "config", "model") if provider.config.get("model") else ("name",)
        yield (
            (*model.place, *place),
            f'"{asked}" is a model of {vendor}; {provider.type} will answer that it has none of this name. '
            f"Write `type: {vendor}`, or a model of {provider.type}",
        )


def _no_field(model: ModelConfig) -> Iterator[Found]:
    """Defaults whose names are nearly a field of requests. Others are notes of the operator's."""
    fields = [field.name for field in dataclasses.fields(LLMRequest)]
    for key in model.defaults:
        name = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", key).lower()
        near = difflib.get_close_matches(name, fields, n=1, cutoff=0.8)
        if name not in fields and name != "max_completion_tokens" and near:
            yield (
                (*model.place, "modelConfig", key),
                f'requests have no field "{key}", so that nothing is sent for it. Did you mean "{near[0]}"?',
            )


# Settings of plugins.


def _repeated(plugin: PluginConfig, schema: Mapping[str, Any], holders: Sequence[ProjectConfig]) -> Iterator[Found]:
    """Lists of models with one that comes before, in the list or in the settings next to it."""
    names = [
        (path, value)
        for path, value, kind in marked(plugin.config, dict(schema), "x-llm-gateway-ref")
        if kind == "model" and isinstance(value, str)
    ]
    first: dict[tuple[Path, str | None], Path] = {}
    # What is not in a list comes first, as `model` does before `fallbacks`.
    for path, value in sorted(names, key=lambda each: isinstance(each[0][-1], int)):
        listed = isinstance(path[-1], int)
        meant = {model.name if (model := project.model(value)) else None for project in holders}
        if len(meant) != 1:
            continue
        mapping = path[:-2] if listed else path[:-3] if _is_entry(path) else path[:-1]
        before = first.setdefault((mapping, meant.pop()), path)
        if before != path and listed:
            yield (
                (*plugin.place, "config", *path),
                f'"{value}" has been asked before it comes here, and is asked again; name another model, or leave it '
                "out",
            )


def _is_entry(path: Path) -> bool:
    """Whether it is the name in an entry of a list of mappings, such as `models[0].name`."""
    return len(path) > 2 and isinstance(path[-2], int)


def _unmatched(
    plugin: PluginConfig, schema: Mapping[str, Any], holders: Sequence[ProjectConfig], config: GatewayConfig
) -> Iterator[Found]:
    """Texts and patterns that are compared with names, and are like none of them."""
    for path, value, kind in marked(plugin.config, dict(schema), "x-llm-gateway-names"):
        known = _known(kind, holders, config)
        for number, text in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(text, str) or _is_expression(text) or any(_alike(text, name) for name in known):
                continue
            place = path if number is None else (*path, number)
            answered = kind == "model" and any(project.default_model is not None for project in holders)
            effect = (
                "holds only where a client asks for that name and the default model answers"
                if answered
                else ("never holds")
            )
            message = f'no {kind} is called "{text}", so that this {effect}{_near(text, known)}'
            yield (*plugin.place, "config", *place), message


def _known(kind: str, holders: Sequence[ProjectConfig], config: GatewayConfig) -> list[str]:
    match kind:
        case "model":
            return [name for project in holders for model in project.models for name in (model.name, *model.aliases)]
        case "provider":
            return [model.provider.type for project in holders for model in project.models]
        case "project":
            return list(config.projects)
        case "operation":
            return list(get_args(Operation))
    return []


def _alike(pattern: str, name: str) -> bool:
    """Whether a pattern with `*` may match a name, or a text that an alias with `*` matches."""
    if "*" not in name:
        return wildcard(pattern).matches(name)
    return wildcard(name).matches(pattern) or "*" in pattern


# Conditions.


def _conditions(plugin: PluginConfig, holders: Sequence[ProjectConfig], extensions: Extensions) -> Iterator[Found]:
    conditions = plugin.conditions
    if conditions is None:
        return
    place = (*plugin.place, "conditions")
    if conditions.paths:
        paths = [path for project in holders for path in _paths(project, extensions)]
        heads = [(re.split(r"[{*]", path, maxsplit=1)[0], path) for path in paths]

        def is_path(text: str) -> bool:
            text = text.rstrip("/")
            return any(head.startswith(text) or (head != path and text.startswith(head)) for head, path in heads)

        yield from _never((*place, "paths"), conditions.paths, is_path, "path", paths)
    yield from _never(
        (*place, "methods"), conditions.methods, lambda text: text.upper().startswith(_METHODS), "method", _METHODS
    )
    named = [name for project in holders for model in project.models for name in (model.name, *model.aliases)]
    if not any(_takes_any_name(project, extensions) for project in holders):
        heads_of_names = [name.partition("*")[0] for name in named]

        def is_model(text: str) -> bool:
            return any(
                head.startswith(text) or ("*" in name and text.startswith(head))
                for head, name in zip(heads_of_names, named, strict=True)
            )

        yield from _never((*place, "models"), conditions.models, is_model, "model", named)


def _never(
    place: Path, written: Sequence[str], can_hold: Callable[[str], bool], kind: str, known: Sequence[str]
) -> Iterator[Found]:
    for number, text in enumerate(written):
        if not _is_expression(text) and not can_hold(text):
            message = f'no {kind} begins with "{text}": the plugin never runs for it{_near(text, known)}'
            yield (*place, number), message


def _paths(project: ProjectConfig, extensions: Extensions) -> Iterator[str]:
    """Every spelling of every route, with names in braces and native paths with `*`."""
    project_path = f"/{project.name}"
    for entry in project.adapters:
        for route in extensions.get("adapter", entry.type).cls.routes:
            if route.operation == "native":
                continue  # only the native paths below
            for below in ("", f"/{entry.name}") if route.bare else (f"/{entry.name}",):
                for path in _written_out(route.path):
                    yield f"{below}{path}"
                    yield f"{project_path}{below}{path}"
        for path in project.native_paths:
            for below in ("", f"/{entry.name}"):
                yield f"{below}{path}"
                yield f"{project_path}{below}{path}"


def _written_out(path: str) -> Iterator[str]:
    """A route's path, with what `{place}` begins with: else it would be the beginning of any path."""
    if "{place}" not in path:
        yield path
        return
    for place in ("projects/", "publishers/"):
        yield path.replace("{place}", f"{place}{{place}}")


def _takes_any_name(project: ProjectConfig, extensions: Extensions) -> bool:
    """Whether a request may name a model that the project does not have: its default, or a plugin, finds one."""
    if project.default_model is not None and not project.strict_models:
        return True
    for plugin in project.plugins:
        if plugin.type not in extensions.names("plugin"):
            return True
        schema = extensions.get("plugin", plugin.type).schema
        if any(marked(plugin.config, schema, "x-llm-gateway-ref")):
            return True
    return False


def _is_expression(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _near(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(dict.fromkeys(known)), n=1, cutoff=0.75)
    return f'. Did you mean "{near[0]}"?' if near else ""
