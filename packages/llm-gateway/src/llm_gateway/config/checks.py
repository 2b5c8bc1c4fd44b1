"""What no single value shows: duplicates, two defaults, names that are taken, settings that need each other."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from llm_gateway.config.document import Path
from llm_gateway.config.problems import Problems
from llm_gateway.config.project import DEFAULT_PROJECT
from llm_gateway.config.schema import GatewayFile, ModelConfig, PluginConfig, ProjectSettings
from llm_gateway.config.value_types import Settings

RESERVED = ("v1", "v1beta", "health", "metrics", "admin")
"""First path segments that a project can't have, in addition to the names of adapters and the configured addresses."""


def check_file(file: GatewayFile, problems: Problems, *, adapters: Iterable[str]) -> None:
    """Notes every problem between settings. `adapters` are the types that are installed."""
    levels: list[GatewayFile | ProjectSettings] = [file, *file.projects]
    for level in levels:
        _check_models(level.models, problems)
        _check_unique("plugin", level.plugins, problems)
        _check_unique("adapter", level.adapters or (), problems)
        for plugin in level.plugins:
            _check_conditions(plugin, problems)
    _check_projects(file, problems, adapters=adapters)
    _check_server(file, problems)


def _check_unique(kind: str, entries: Sequence[Settings], problems: Problems) -> None:
    seen: dict[str, Settings] = {}
    for entry in entries:
        name: str = entry.name  # type: ignore[attr-defined]
        if name in seen:
            first = problems.root.line_of((*seen[name].place, "name"))
            problems.add((*entry.place, "name"), f'another {kind} is named "{name}" already (line {first}); rename one')
        else:
            seen[name] = entry


def _check_models(models: Sequence[ModelConfig], problems: Problems) -> None:
    _check_unique("model", models, problems)
    owners = {model.name: model.name for model in models}
    for model in models:
        for index, alias in enumerate(model.aliases):
            place: Path = (*model.place, "aliases", index)
            if not alias:
                problems.add(place, "an alias can't be empty")
            elif (owner := owners.setdefault(alias, model.name)) != model.name:
                problems.add(place, f'the alias "{alias}" is taken by the model "{owner}"; keep it on one of them')
    defaults = [model for model in models if model.is_default]
    for first, model in zip(defaults[:1] * len(defaults), defaults, strict=True):
        if model is not first:
            problems.add(
                (*model.place, "isDefault"),
                f'only one model can be the default, and "{first.name}" is already; remove one',
            )


def _check_conditions(plugin: PluginConfig, problems: Problems) -> None:
    if plugin.conditions is None:
        return
    kinds = plugin.conditions.model_dump(by_alias=True)
    for kind, entries in kinds.items():
        for key, text in entries.items() if isinstance(entries, dict) else enumerate(entries):
            if len(text) > 1 and text.startswith("/") and text.endswith("/"):
                try:
                    re.compile(text[1:-1])
                except re.error as error:
                    place: Path = (*plugin.conditions.place, kind, key)
                    problems.add(
                        place, f"{text} is not a regular expression: {error}; without the slashes it is a prefix"
                    )


def _check_projects(file: GatewayFile, problems: Problems, *, adapters: Iterable[str]) -> None:
    _check_unique("project", file.projects, problems)
    levels: list[GatewayFile | ProjectSettings] = [file, *file.projects]
    written = {adapter.name for level in levels for adapter in level.adapters or ()}
    addresses = (file.monitoring.health_check.endpoint, file.monitoring.metrics.path, file.admin.path)
    taken = {*RESERVED, *adapters, *written, *(address.split("/")[1] for address in addresses)}
    if file.default_project:
        taken.add(DEFAULT_PROJECT)
    for project in file.projects:
        if project.name in taken:
            problems.add(
                (*project.place, "name"),
                f"\"{project.name}\" can't be a project's name, for its address is in use ({', '.join(sorted(taken))})",
            )
    if not file.models and not any(project.models for project in file.projects) and not problems.below(("models",)):
        problems.add(
            (),
            "no models are configured; add one, e.g. `models: [{name: gpt, isDefault: true, provider: {type: echo}}]`",
        )
    if not file.default_project and not file.projects and not problems.below(("projects",)):
        problems.add(("defaultProject",), "nothing would be served: add `projects`, or leave `defaultProject` out")


def _problem_of_origin(origin: str) -> str | None:
    """Why no browser ever sends this as its `Origin`; None where one may, and for `*`."""
    if origin in ("*", "null"):
        return None
    expected = "expected scheme://host[:port] as a browser sends it, e.g. https://app.example.com"
    if "*" in origin:
        return f"{expected}; only `*` alone is a wildcard, other origins are named one by one"
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError as error:
        return f"{expected}: {error}"
    if not parts.scheme or not parts.hostname or not origin.isascii() or any(sign.isspace() for sign in origin):
        return expected
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    written = f"{parts.scheme}://{host}" + (f":{port}" if port is not None and port != usual else "")
    return None if origin == written else f"{expected}; write {written}"


def _problem_of_host(host: str) -> str | None:
    """Why this is not an address to listen on; None where it may be one."""
    if "://" in host or "/" in host:
        return "expected an address or a host name without scheme and path, such as 127.0.0.1 or 0.0.0.0"
    if "*" in host:
        return "expected an address or a host name; write 0.0.0.0 for all addresses of the machine"
    bare = host.removeprefix("[").removesuffix("]")
    if ":" in bare:
        try:
            ipaddress.ip_address(bare.partition("%")[0])
        except ValueError:
            return "expected an address or a host name without port; the port is the setting `port`"
    if not host or any(sign.isspace() for sign in host):
        return "expected an address or a host name, such as 127.0.0.1 or 0.0.0.0"
    return None


def _check_server(file: GatewayFile, problems: Problems) -> None:
    for settings in (file.server, file.admin):
        known = problems.below((*settings.place, "host"))
        if not known and (found := _problem_of_host(settings.host)) is not None:
            problems.add((*settings.place, "host"), found)
    if file.admin.enabled and (file.admin.api_key is None or not file.admin.api_key.get_secret_value()):
        problems.add((*file.admin.place, "apiKey"), 'expected a credential, e.g. `apiKey: "${LLM_GATEWAY_ADMIN_KEY}"`')
    if file.admin.port is not None and file.admin.port == file.server.port != 0:
        problems.add((*file.admin.place, "port"), "expected a separate port; leave it out to share the gateway's")
    if "file" in file.logging.destinations and not file.logging.file_path:
        problems.add((*file.logging.place, "file_path"), "expected a path, because `destinations` names `file`")
    for level in (file, *file.projects):
        if level.request_timeout_seconds == 0:
            problems.add(
                (*level.place, "requestTimeout"),
                "0 would end every request at once; write a longer time or leave it out",
            )
    cors = file.server.cors
    for index, origin in enumerate(cors.origins):
        if (remedy := _problem_of_origin(origin)) is not None:
            problems.add((*cors.place, "origins", index), remedy)
    if cors.enabled and not cors.origins:
        problems.add((*cors.place, "origins"), "expected at least one origin, e.g. `https://app.example.com`")
    if cors.enabled and cors.credentials and "*" in cors.origins:
        problems.add((*cors.place, "origins"), "`*` can't be combined with `credentials: true`; name the origins")
