"""Loads a configuration completely: file, extensions, their settings, projects. Nothing is started.

The one way in: `load` and `load_text` give a `LoadResult`, or raise `ConfigError` with every problem there is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from llm_gateway.config.checks import check_file
from llm_gateway.config.document import Node, Path, plain
from llm_gateway.config.formatting import show_of
from llm_gateway.config.inherit import default_project, inherit
from llm_gateway.config.limits_section import LIMITS
from llm_gateway.config.loader import Draft, read, read_file, validate
from llm_gateway.config.problems import Problems, unknown
from llm_gateway.config.project import GatewayConfig, ProjectConfig
from llm_gateway.config.resolve import resolve
from llm_gateway.config.schema import GatewayFile
from llm_gateway.config.schema_views import marked
from llm_gateway.config.zero_config import unconfigured_text
from llm_gateway.extension_settings import check_by_itself, check_schema
from llm_gateway.extensions import Declared, Extension, Extensions, Kind, find, installed
from llm_gateway.notices import notices
from llm_gateway.provider_checks import check_provider
from llm_gateway.store_settings import check_store
from llm_gateway_sdk.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A configuration that can be served. Not for pickling: another process loads `source` itself."""

    config: GatewayConfig
    extensions: Extensions
    notices: list[str]
    """What an operator should know though nothing is wrong."""
    source: FilePath | None
    """The file; None for the configuration without a file."""
    version: str
    """Changes with every value and every extension's code."""
    draft: Draft
    """The document that it was made from, for `explain`."""


def load(path: str | os.PathLike[str] | None, *, environ: Mapping[str, str] | None = None) -> LoadResult:
    """Loads a file; None means the configuration without a file: the providers whose keys are in the environment.

    Raises `ConfigError` with every problem found.
    """
    environ = os.environ if environ is None else environ
    if path is None:
        text = unconfigured_text(_key_variables(environ))
        return load_text(text, name="(no file)", environ=environ)
    source = FilePath(path)
    return _load(read_file(source), str(path), source.resolve().parent, environ, source=source)


def load_extensions(path: str | os.PathLike[str]) -> Extensions:
    """What is installed, and what a file declares; whatever else is wrong in the file does not matter here.

    Raises `ConfigError` where the file can't be read, or a declared extension can't be loaded.
    """
    source = FilePath(path)
    directory = source.resolve().parent
    draft = read(read_file(source), file=str(path), directory=directory, environ=os.environ)
    problems = Problems(str(path), draft.root)
    extensions = find(list(_declared(draft.root)), directory=directory, problems=problems, notices=draft.notices)
    problems.raise_if_any()
    return extensions


def load_text(
    text: str,
    *,
    directory: str | os.PathLike[str] | None = None,
    name: str = "gateway.yaml",
    environ: Mapping[str, str] | None = None,
    classes: Sequence[type[Any]] = (),
) -> LoadResult:
    """Loads a text; `directory` is where its relative paths and its `.env` are, the current one where left out.

    `classes` are extensions that it may use next to those that are installed or that it declares: those of a test.
    """
    folder = FilePath(directory) if directory is not None else FilePath.cwd()
    return _load(text, name, folder, os.environ if environ is None else environ, source=None, classes=classes)


def _load(
    text: str,
    name: str,
    directory: FilePath,
    environ: Mapping[str, str],
    *,
    source: FilePath | None,
    classes: Sequence[type[Any]] = (),
) -> LoadResult:
    draft = read(text, file=name, directory=directory, environ=environ)
    problems = draft.problems
    extensions = find(list(_declared(draft.root)), directory=directory, problems=problems, notices=draft.notices)
    for cls in classes:
        extensions.add_class(cls)
    used = [_settle(place, draft, extensions) for place in _places(draft.root)]
    used.append(check_store(draft, extensions, directory))
    file = validate(draft)
    adapters = extensions.names("adapter")
    check_file(file, problems, adapters=adapters)
    projects = _projects(file, adapters)
    for project in projects.values():
        _check_references(project, draft, extensions)
        used += _check_adapters(project, draft, extensions)
    _check_workers(file, projects.values(), draft, extensions)
    problems.raise_if_any()
    config = GatewayConfig(
        server=file.server,
        projects=projects,
        logging=file.logging,
        monitoring=file.monitoring,
        admin=file.admin,
        breaker=file.breaker,
        upstream=file.upstream,
        store=file.store,
        secrets=file.secrets,
        read_secrets=draft.variables.secrets.values(),
        directory=directory,
    )
    draft.notices.extend(notices(draft, config, extensions))
    version = _version(draft, [extension for extension in used if extension is not None])
    return LoadResult(config, extensions, draft.notices, source, version, draft)


def _declared(root: Node) -> Iterator[Declared]:
    for key in ("availablePlugins", "availableExtensions"):
        for index, entry in (root.get(key) or Node(None, 0)).items():
            module, path = (child.value if (child := entry.get(name)) else None for name in ("module", "path"))
            if bool(isinstance(module, str) and module) != bool(isinstance(path, str) and path):
                yield Declared((key, index), module, path)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an extension is named with its settings."""

    kind: Kind
    path: Path
    type_key: str
    type_name: str
    node: Node
    settings: Node | None
    settings_path: Path


def _places(root: Node) -> Iterator[_Place]:
    levels: list[tuple[Path, Node]] = [((), root)]
    levels += [(("projects", index), node) for index, node in (root.get("projects") or Node(None, 0)).items()]
    kinds: tuple[tuple[str, Kind], ...] = (("models", "provider"), ("plugins", "plugin"), ("adapters", "adapter"))
    for path, level in levels:
        for key, kind in kinds:
            for index, entry in (level.get(key) or Node(None, 0)).items():
                place: Path = (*path, key, index)
                node: Node | None = entry
                if kind == "provider":
                    node, place = entry.get("provider"), (*place, "provider")
                if node is None or ((enabled := node.get("enabled")) is not None and enabled.value is False):
                    continue
                for type_key in ("type", "name") if kind == "adapter" else ("type",):
                    named = node.get(type_key)
                    if named is not None and isinstance(named.value, str) and named.value:
                        yield _Place(kind, place, type_key, named.value, node, node.get("config"), (*place, "config"))
                        break
        section = level.get(LIMITS)
        if section is not None and isinstance(section.value, list) and section.value:
            settings = Node({LIMITS: section}, section.line)
            yield _Place("plugin", (*path, LIMITS), "type", LIMITS, section, settings, path)


def _settle(place: _Place, draft: Draft, extensions: Extensions) -> Extension | None:
    """Fills and checks the settings of one extension."""
    problems = draft.problems
    path = place.settings_path
    try:
        extension = extensions.get(place.kind, place.type_name)
    except ConfigError as error:
        if not _may_be_declared(place, problems, extensions):
            problems.add((*place.path, place.type_key), error.problems[0].message)
        if place.kind != "plugin" and place.settings is not None:
            resolve(place.settings, {}, draft.variables, problems, path)  # a plugin's may hold templates
        return None
    node = place.settings or Node({}, place.node.line)
    if node.value is None:
        node.value = {}
    resolve(node, extension.schema, draft.variables, problems, path)
    settings = plain(node)
    if not isinstance(settings, dict):
        return extension  # reported when the settings around it are validated
    for below, message in check_schema(extension, settings, show_of(node)):
        if not problems.below((*path, *below)):
            problems.add((*path, *below), message)
    if not problems.below(place.path if place.path[-1:] == (LIMITS,) else path):
        for below, message in (*check_by_itself(extension, settings), *check_provider(extension, settings)):
            problems.add((*path, *below), message)
    return extension


def _may_be_declared(place: _Place, problems: Problems, extensions: Extensions) -> bool:
    """Whether an unknown type may be of a declared extension that could not be loaded: that is problem enough."""
    if place.type_name in extensions.names(place.kind):
        return False
    return any(problems.below((key,)) for key in ("availablePlugins", "availableExtensions"))


def _projects(file: GatewayFile, adapters: list[str]) -> dict[str, ProjectConfig]:
    projects: dict[str, ProjectConfig] = {}
    if file.default_project:
        project = default_project(file, adapters=adapters)
        projects[project.name] = project
    for settings in file.projects:
        project = inherit(file, settings, adapters=adapters)
        projects.setdefault(project.name, project)
    return projects


def _check_workers(file: GatewayFile, projects: Iterable[ProjectConfig], draft: Draft, extensions: Extensions) -> None:
    """Plugins that run in one process only exclude several workers."""
    if file.server.workers < 2:
        return
    known = extensions.names("plugin")
    for plugin in {plugin.where: plugin for project in projects for plugin in project.plugins}.values():
        if plugin.type not in known or draft.problems.below(plugin.place):
            continue
        if extensions.get("plugin", plugin.type).cls.is_single_process(plugin.config):
            draft.problems.add(
                plugin.place,
                f"as configured, {plugin.type} runs in one process only, but `server.workers` is "
                f"{file.server.workers}; set it to 1",
            )


def _check_adapters(project: ProjectConfig, draft: Draft, extensions: Extensions) -> Iterator[Extension]:
    """Adapters that are not in the configuration, but offered because they are installed, must be loadable too."""
    for adapter in project.adapters:
        try:
            yield extensions.get("adapter", adapter.type)
        except ConfigError as error:
            if not adapter.place:
                draft.problems.add((), f"{error.problems[0].message}; correct it, or list the `adapters` to be offered")


def _check_references(project: ProjectConfig, draft: Draft, extensions: Extensions) -> None:
    """Models that plugins name must be the project's. A project without models can't be asked, so it may pass."""
    names = [name for model in project.models for name in (model.name, *model.aliases)]
    broken = {entry.value for entry in _written_names(draft.root) if isinstance(entry.value, str)} - set(names)
    for plugin in project.plugins if names else ():
        try:
            schema = extensions.get("plugin", plugin.type).schema
        except ConfigError:
            continue
        for path, value, kind in marked(plugin.config, schema, "x-llm-gateway-ref"):
            if kind != "model" or not isinstance(value, str) or project.model(value) is not None:
                continue
            if value in broken and draft.problems.below(("models",)):
                continue
            where = "" if project.is_default_project else f' in the project "{project.name}"'
            draft.problems.add((*plugin.place, "config", *path), unknown(f"model{where}", value, names))


def _written_names(root: Node) -> Iterator[Node]:
    """The names of models at the top level, also of those that are left out because something in them is wrong."""
    for _, entry in (root.get("models") or Node(None, 0)).items():
        if (name := entry.get("name")) is not None:
            yield name


def _key_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Installed provider types whose key is in the environment, with the variable that holds it."""
    found: dict[str, str] = {}
    extensions = installed()
    for name in extensions.names("provider"):
        try:
            variable = getattr(extensions.get("provider", name).cls, "api_key_variable", "")
        except ConfigError:
            continue  # a provider that can't be imported matters only where it is asked for
        if variable and environ.get(variable):
            found[name] = variable
    return found


def _version(draft: Draft, used: list[Extension]) -> str:
    values: list[Any] = [plain(draft.root), sorted({f"{each.kind} {each.name} {each.fingerprint}" for each in used})]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]
