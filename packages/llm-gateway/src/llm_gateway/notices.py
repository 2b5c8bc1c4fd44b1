"""What a valid configuration probably does not mean: numbers in the wrong unit, missing keys, a literal `$NAME`,
plugins that replace others by their name. Nothing here refuses a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_gateway_sdk import HTTPProvider
from llm_gateway_sdk.checks import streaming_gap

from .config.document import Node, Path, plain, show_path
from .config.formatting import is_duration_pattern
from .config.known_keys import file_schema
from .config.loader import Draft
from .config.project import GatewayConfig, ProjectConfig
from .config.schema_views import Schema, children, expand
from .config.units import decode_duration, decode_size, show_duration, show_size
from .doubtful_names import doubtful_names
from .doubtful_settings import doubtful_settings
from .extensions import Extension, Extensions
from .provider_checks import address_notices

__all__ = ["notices"]

_RATIO = 100
"""A bare number is suspicious where it is this many times smaller than the default, or than the default in its unit."""

_MONTH = 30 * 86_400

_UNFILLED = re.compile(
    r"\$(?P<shell>[A-Za-z_][A-Za-z0-9_]*)|%(?P<batch>[A-Z_]{3,})%|\{\{\s*(?:\.?env\.)?(?P<template>[A-Z_]{3,})\s*\}\}"
    r"|(?:os\.environ/|(?:process\.)?env[.:]|ENV\[)['\"]?(?P<program>[A-Za-z_][A-Za-z0-9_]*)['\"]?\]?"
)
"""A variable as shells, batch files, templates and other programs write it."""

_REFERENCE = re.compile(
    r"(?:op|vault|secret|ssm|doppler|awssm|keyvault)://.+|arn:aws:(?:secretsmanager|ssm):.+|projects/[^/]+/secrets/.+"
)
"""The address of a secret that another service holds, as other programs write it."""

_FILE = re.compile(r"(?:~|\.{1,2})?/?(?:[\w.-]+/)*[\w-]+\.(?:json|key|md|pem|secret|txt)")
"""The path of a file that holds a text."""

_PLACEHOLDER = re.compile(
    r"<[^>]*>|(?:sk-)?(?:\.{3}|…|x{3,}|\*{3,})|(?:sk-)?(?:your|my|the|insert|put|replace|add)[-_ ].*"
    r"|change[-_]?me|todo|dummy|placeholder|api[-_ ]?key(?:[-_ ]here)?",
    re.IGNORECASE,
)
"""What documentation writes where a credential is to be."""

_KEYS_OF = {
    "sk-ant-": "anthropic",
    "sk-proj-": "openai",
    "sk-or-": "openrouter",
    "gsk_": "groq",
    "xai-": "xai",
    "pplx-": "perplexity",
    "AIza": "gemini",
}
"""How the keys of vendors begin, by the vendor's provider type."""


def notices(draft: Draft, config: GatewayConfig, extensions: Extensions) -> Iterator[str]:
    """Each with file, line and path, and with what would be right."""
    for path, message in [
        *_numbers(draft.root, [file_schema()], file_schema(), ()),
        *_switched_off(draft.root, [file_schema()], file_schema(), ()),
        *_of_extensions(draft, extensions),
        *_replaced_plugins(draft, config),
        *doubtful_names(config, extensions),
        *doubtful_settings(draft, config, extensions),
    ]:
        yield f"{draft.file}:{draft.root.line_of(path)}: {show_path(path)}: {message}"
    for project in config.projects.values():
        yield from _of_project(project)


def _of_project(project: ProjectConfig) -> Iterator[str]:
    routed = any(plugin.type == "model-router" for plugin in project.plugins)
    if not project.models and not project.is_default_project:
        yield f'the project "{project.name}" has no models: every request to it is answered with 404'
    elif project.models and project.default_model is None and not routed:
        yield f'the project "{project.name}" has no default model: requests must name one of its models'


# Numbers without a unit.


def _numbers(node: Node, schemas: list[Schema], root: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    views = list(expand(schemas, root))
    if any(view.get("x-extension-settings") for view in views):
        return
    for view in sorted(views, key=lambda view: "x-unit" not in view):
        if (kind := _unit_of(view)) is not None:
            default = next((each["default"] for each in views if each.get("default") is not None), None)
            if (message := _suspicion(node, kind, default)) is not None:
                yield path, message
            break
    for key, child in node.items():
        yield from _numbers(child, list(children(views, key)), root, (*path, key))


def _unit_of(view: Schema) -> str | None:
    if view.get("x-duration") or is_duration_pattern(view.get("pattern")):
        return "plugin duration"
    unit = view.get("x-unit")
    return unit if isinstance(unit, str) else None


def _suspicion(node: Node, kind: str, default: object) -> str | None:
    """Why a bare number was probably written in another unit; None where it is plausible."""
    written = (node.text or "").strip()
    if node.variables or isinstance(node.value, bool) or not re.fullmatch(r"\d+(?:\.\d+)?", written):
        return None
    number = float(written)
    if not number:
        return None
    if kind == "size":
        return _suspicious_size(number, default)
    usual = _usual_seconds(kind, default)
    seconds = number / 1000
    if usual is None:
        small = number < 50
    else:
        small = seconds * _RATIO < usual and number * _RATIO > usual
    if small:
        return f"{written} is {written} milliseconds; write {written}s for seconds, or {written}ms if that is meant"
    if seconds > (_MONTH if usual is None else max(86_400, usual * _RATIO)):
        return f"{written} is {show_duration(seconds)}, for a bare number is in milliseconds; write it with its unit"
    return None


def _usual_seconds(kind: str, default: object) -> float | None:
    if kind == "duration" and isinstance(default, int | float):
        return float(default)  # the file's own settings keep seconds
    try:
        return decode_duration(default) or None
    except ValueError:
        return None


def _suspicious_size(number: float, default: object) -> str | None:
    try:
        usual = decode_size(default)
    except ValueError:
        return None
    if number * 1024 > usual or number >= 4096:
        return None
    return f"{number:g} is {number:g} bytes (the default is {show_size(usual)}); write {number:g}MiB for mebibytes"


_SWITCHED_OFF = (
    "it is off, the gateway does nothing with these settings; "
    "write `enabled: true`, or `enabled: false` if that is meant"
)


def _switched_off(node: Node, schemas: list[Schema], root: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    """Settings of a part that is off unless `enabled` is written, where it is not."""
    views = list(expand(schemas, root))
    if any(view.get("x-extension-settings") for view in views):
        return
    switches = [view["properties"]["enabled"] for view in views if "enabled" in view.get("properties", {})]
    can_be_off = any(switch.get("default") is False for switch in switches)
    if can_be_off and isinstance(node.value, dict) and node.value and node.get("enabled") is None:
        yield path, _SWITCHED_OFF
        return
    for key, child in node.items():
        yield from _switched_off(child, list(children(views, key)), root, (*path, key))


# Settings of extensions.


def _of_extensions(draft: Draft, extensions: Extensions) -> Iterator[tuple[Path, str]]:
    for path, level in _levels(draft.root):
        for key, kind in (("models", "provider"), ("plugins", "plugin"), ("adapters", "adapter")):
            for index, entry in (level.get(key) or Node(None, 0)).items():
                place: Path = (*path, key, index)
                node = entry.get("provider") if kind == "provider" else entry
                if kind == "provider":
                    place = (*place, "provider")
                extension = _named(node, kind, extensions)
                if node is None or extension is None:
                    continue
                settings = node.get("config") or Node({}, node.line)
                below: Path = (*place, "config")
                yield from _numbers(settings, [extension.schema], extension.schema, below)
                yield from _unfilled(settings, [extension.schema], extension.schema, below)
                yield from _switched_off(settings, [extension.schema], extension.schema, below)
                if kind == "plugin" and (gap := streaming_gap(extension.cls)) is not None:
                    yield place, f'the plugin type "{extension.name}" {gap}'
                if kind == "provider":
                    yield from _missing_key(settings, extension, place)
                    yield from _doubtful_key(settings, extension, place)
                    usual = getattr(extension.cls, "default_base_url", "")
                    found = address_notices(plain(settings) or {}, usual)
                    yield from (((*below, *at), message) for at, message in found)


def _levels(root: Node) -> Iterator[tuple[Path, Node]]:
    yield (), root
    for index, node in (root.get("projects") or Node(None, 0)).items():
        yield ("projects", index), node


def _named(node: Node | None, kind: str, extensions: Extensions) -> Extension | None:
    for key in ("type", "name") if kind == "adapter" else ("type",):
        named = node.get(key) if node is not None else None
        if named is not None and isinstance(named.value, str) and named.value in extensions.names(kind):  # type: ignore[arg-type]
            return extensions.get(kind, named.value)  # type: ignore[arg-type]
    return None


def _unfilled(node: Node, schemas: list[Schema], root: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    """Credentials and addresses that hold the name of a variable instead of its value."""
    views = list(expand(schemas, root))
    if isinstance(node.value, str) and not node.variables and _FILE.fullmatch(node.value.strip()):
        if any(view.get("x-template") for view in views):
            yield path, "this is a path, and is taken as it is written; write the file's text here, below a `|`"
        elif any(view.get("writeOnly") for view in views):
            yield path, 'this is a path, and is taken as it is written; write "${file:PATH}" for the file\'s text'
    if _is_reference(node) and any(view.get("writeOnly") for view in views):
        yield path, _NOT_READ
    if isinstance(node.value, str) and not node.variables and (found := _UNFILLED.fullmatch(node.value.strip())):
        if not any(view.get("x-template") or view.get("enum") for view in views):
            name = next(filter(None, found.groups()))
            yield path, f'"{node.value}" is taken as it is written; write "${{{name}}}" for the variable\'s value'
        return
    for key, child in node.items():
        yield from _unfilled(child, list(children(views, key)), root, (*path, key))


_NOT_READ = (
    "this is the address of a secret, and is taken as it is written; secrets of other services are written "
    '"${vault:…}", "${aws-sm:…}", "${gcp-sm:…}" or "${azure-kv:…}"'
)


def _is_reference(node: Node) -> bool:
    return isinstance(node.value, str) and not node.variables and _REFERENCE.fullmatch(node.value.strip()) is not None


def _missing_key(settings: Node, extension: Extension, place: Path) -> Iterator[tuple[Path, str]]:
    provider = extension.cls
    if not issubclass(provider, HTTPProvider):
        return
    variable = provider.api_key_variable
    written: Mapping[str, Any] = settings.value if isinstance(settings.value, dict) else {}
    given = any(key in written for key in ("apiKey", "credentials", "headers", "tokenCommand", "auth"))
    given = given or provider.finds_credentials or _is_elsewhere(settings.get("baseUrl"), provider.default_base_url)
    if variable and "apiKey" in extension.schema.get("properties", {}) and not given:
        yield place, f'no `apiKey`: {extension.name} will refuse every request; add `apiKey: "${{{variable}}}"`'


def _is_elsewhere(written: Node | None, usual: str) -> bool:
    """Whether an address is that of another server than the vendor's, which may ask for no key."""
    url = written.value if written is not None else None
    return isinstance(url, str) and url.split("/")[2:3] != usual.split("/")[2:3]


def _doubtful_key(settings: Node, extension: Extension, place: Path) -> Iterator[tuple[Path, str]]:
    """An `apiKey` that is an example's text, or another vendor's. Never shows what is written."""
    node = settings.get("apiKey")
    key = node.value if node is not None else None
    variable = getattr(extension.cls, "api_key_variable", "")
    if node is None or node.variables or not isinstance(key, str) or not variable:
        return
    at = (*place, "config", "apiKey")
    if _PLACEHOLDER.fullmatch(key.strip()):
        yield at, f'this is the text of an example, not a key; write "${{{variable}}}", or the key'
    vendor = next((vendor for prefix, vendor in _KEYS_OF.items() if key.startswith(prefix)), extension.name)
    if vendor != extension.name and extension.name in _KEYS_OF.values() and settings.get("baseUrl") is None:
        yield at, f"it looks like a key of {vendor}; {extension.name} will refuse it"


# Plugins.


def _replaced_plugins(draft: Draft, config: GatewayConfig) -> Iterator[tuple[Path, str]]:
    inherited = {
        name.value: entry
        for _, entry in (draft.root.get("plugins") or Node(None, 0)).items()
        if (name := entry.get("name")) is not None and isinstance(name.value, str)
    }
    for project in config.projects.values():
        for plugin in project.plugins:
            if plugin.name not in inherited or plugin.place[:1] != ("projects",):
                continue
            kind = inherited[plugin.name].get("type")
            yield (
                plugin.place,
                f'replaces the default project\'s plugin "{plugin.name}" (type {kind.value if kind else "?"}): only '
                f'this one runs in "{project.name}". To run both, give this one another name',
            )
