"""The effective configuration of a project, and where each value comes from: as YAML with comments, or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from llm_gateway.config.document import Node, Path
from llm_gateway.config.loader import Draft
from llm_gateway.config.project import GatewayConfig, ProjectConfig
from llm_gateway.config.schema import ProjectFlags
from llm_gateway.config.schema_views import Schema, children, expand
from llm_gateway.config.secret_sources import secret_scheme
from llm_gateway.config.secrets import is_secret_name, is_secret_place, mask, mask_text
from llm_gateway.config.units import show_duration, show_size
from llm_gateway.config.value_types import Settings

_DEFAULT = "default"
SchemaOf = Callable[[str, str], Mapping[str, Any]]
"""Kind and type of an extension to the JSON Schema of its settings."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A value as it is shown, in YAML and in JSON, and where it comes from."""

    text: str
    value: Any
    origin: str


def explain(
    config: GatewayConfig, project: ProjectConfig, draft: Draft, schema_of: SchemaOf, *, changed: bool = False
) -> str:
    """YAML with comments. Secrets are masked: by their schema, by their name, or because they came from a `file:`.
    `changed` leaves out what has its default."""
    lines = _render(_tree(config, project, draft, schema_of, changed=changed))
    width = min(max((len(text) for text, _ in lines), default=0), 72)
    return "\n".join(f"{text:<{width}}  # {origin}" if origin else text for text, origin in lines) + "\n"


def explain_json(
    config: GatewayConfig, project: ProjectConfig, draft: Draft, schema_of: SchemaOf, *, changed: bool = False
) -> dict[str, Any]:
    """The same as nested objects, in which each value is `{"value": …, "origin": …}`. Durations and sizes are text with
    their unit, as in the YAML."""
    tree = _plain_tree(_tree(config, project, draft, schema_of, changed=changed))
    assert isinstance(tree, dict)
    return tree


def _tree(
    config: GatewayConfig, project: ProjectConfig, draft: Draft, schema_of: SchemaOf, *, changed: bool
) -> dict[str, Any]:
    explainer = _Explainer(draft, project, schema_of)
    tree = {
        "server": explainer.settings(config.server),
        "upstream": explainer.settings(config.upstream),
        "breaker": explainer.settings(config.breaker),
        "monitoring": explainer.settings(config.monitoring),
        "logging": explainer.settings(config.logging),
        "admin": explainer.settings(config.admin),
        "store": explainer.settings(config.store, kind="store"),
        "project": explainer.project_tree(),
    }
    return _without_defaults(tree) if changed else tree


def _without_defaults(tree: Any) -> Any:
    if isinstance(tree, list):
        entries = [_without_defaults(entry) for entry in tree if not _is_default(entry)]
        return entries if any(isinstance(entry, _Shown) or entry for entry in entries) else []
    if not isinstance(tree, dict):
        return tree
    kept = {key: _without_defaults(child) for key, child in tree.items() if not _is_default(child)}
    return {key: child for key, child in kept.items() if isinstance(child, _Shown) or child}


def _is_default(child: Any) -> bool:
    return isinstance(child, _Shown) and child.origin == _DEFAULT


def _plain_tree(tree: Any) -> Any:
    if isinstance(tree, _Shown):
        return {"value": tree.value, "origin": tree.origin}
    if isinstance(tree, dict):
        return {key: _plain_tree(child) for key, child in tree.items()}
    return [_plain_tree(child) for child in tree]


class _Explainer:
    def __init__(self, draft: Draft, project: ProjectConfig, schema_of: SchemaOf) -> None:
        self.draft = draft
        self.project = project
        self.schema_of = schema_of

    def project_tree(self) -> dict[str, Any]:
        project, place = self.project, self._project_place()
        tree: dict[str, Any] = {"name": self._value(project.name, (*place, "name") if place else ())}
        if project.description:
            tree["description"] = self._value(project.description, (*place, "description"))
        for name in ProjectFlags.model_fields:
            key = ProjectFlags.model_fields[name].alias or name
            places = [each for each in ((*place, key), (key,)) if self._node(each) is not None]
            value = getattr(project, name)
            if isinstance(value, Settings):
                tree[key] = self.settings(value)
                continue
            shown = show_duration(value) if name.endswith("_seconds") else None
            tree[key] = self._value(value, places[0] if places else (), shown=shown)
        tree["defaultModel"] = self._value(project.default_model, (), origin="the model with `isDefault`")
        tree["models"] = [self.settings(model) for model in project.models]
        tree["plugins"] = [self.settings(plugin, kind="plugin") for plugin in project.plugins]
        tree["adapters"] = [self.settings(adapter, kind="adapter") for adapter in project.adapters]
        return tree

    def settings(self, settings: Settings, *, kind: str = "provider") -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for name, field in type(settings).model_fields.items():
            key, value = field.alias or name, getattr(settings, name)
            place = (*settings.place, key) if settings.place else ()
            if name == "config":
                type_name = str(getattr(settings, "type", None) or getattr(settings, "name", ""))
                schema = self.schema_of(kind, type_name)
                tree[key] = self._extension_settings(value, place, [schema], schema)
            elif isinstance(value, Settings):
                tree[key] = self.settings(value)
            elif isinstance(value, list) and value and isinstance(value[0], Settings):
                tree[key] = [self.settings(each) for each in value]
            elif isinstance(value, dict | list) and value:
                tree[key] = self._plain(value, place)
            elif isinstance(value, float) and name.endswith("_seconds"):
                tree[key] = self._value(value, place, shown=show_duration(value))
            elif isinstance(value, int) and name.endswith("_bytes"):
                tree[key] = self._value(value, place, shown=show_size(value))
            else:
                tree[key] = self._value(value, place)
        return tree

    def _extension_settings(self, value: Any, place: Path, schemas: list[Schema], root: Schema) -> Any:
        views = list(expand(schemas, root))
        if isinstance(value, dict):
            tree = {
                key: self._extension_settings(child, (*place, key), list(children(views, key)), root)
                for key, child in value.items()
            }
            for view in views:
                for key, child in view.get("properties", {}).items():
                    if isinstance(child, Mapping) and "default" in child and key not in tree:
                        tree[key] = _Shown(_scalar(child["default"]), child["default"], _DEFAULT)
            return tree
        if isinstance(value, list):
            return [
                self._extension_settings(child, (*place, index), list(children(views, index)), root)
                for index, child in enumerate(value)
            ]
        secret = any(
            view.get("x-secret") or view.get("writeOnly") or view.get("format") == "password" for view in views
        )
        return self._value(value, place, secret=secret)

    def _plain(self, value: Any, place: Path) -> Any:
        if isinstance(value, dict):
            return {str(key): self._plain(child, (*place, key) if place else ()) for key, child in value.items()}
        if isinstance(value, list):
            return [self._plain(child, (*place, index) if place else ()) for index, child in enumerate(value)]
        return self._value(value, place)

    def _value(
        self, value: Any, place: Path, *, shown: str | None = None, secret: bool = False, origin: str | None = None
    ) -> _Shown:
        node = self._node(place)
        if isinstance(value, SecretStr):
            value, secret = value.get_secret_value(), True
        variables = node.variables if node is not None else ()
        secret = secret or any(each.startswith("file:") or secret_scheme(each) for each in variables)
        secret = secret or is_secret_place(place) or any(is_secret_name(name) for name in variables)
        origin = origin or self._origin(place, node)
        if secret and isinstance(value, str) and value:
            masked = mask(value)
            return _Shown(f'"{masked}"', masked, origin)
        if isinstance(value, str):
            value = mask_text(value)
        return _Shown(shown or _scalar(value), shown or value, origin)

    def _origin(self, place: Path, node: Node | None) -> str:
        if node is None:
            return _DEFAULT
        line = f"{self.draft.file}:{self.draft.root.line_of(place)}"
        inherited = not self.project.is_default_project and place[0] in ("models", "plugins", "adapters")
        flagged = not self.project.is_default_project and len(place) == 1
        where = f"{line}, inherited" if inherited or flagged else line
        if node.variables:
            return f"{', '.join(self.draft.variables.origin(name) for name in node.variables)} ({where})"
        return where

    def _node(self, place: Path) -> Node | None:
        return self.draft.root.find(place) if place else None

    def _project_place(self) -> Path:
        for index, node in (self.draft.root.get("projects") or Node(None, 0)).items():
            if (name := node.get("name")) is not None and name.value == self.project.name:
                return ("projects", index)
        return ()


def _render(tree: Any, indent: str = "", lead: str = "") -> list[tuple[str, str]]:
    """Lines with their comments. `lead` is what is before the first line instead of the indentation."""
    lines: list[tuple[str, str]] = []
    for key, child in tree.items():
        start = lead or indent
        lead = ""
        if isinstance(child, _Shown):
            lines.append((f"{start}{key}: {child.text}", child.origin))
        elif not child:
            lines.append((f"{start}{key}: {'{}' if isinstance(child, dict) else '[]'}", ""))
        elif isinstance(child, dict):
            lines.append((f"{start}{key}:", ""))
            lines += _render(child, indent + "  ")
        else:
            lines.append((f"{start}{key}:", ""))
            lines += _render_list(child, indent + "  ")
    return lines


def _render_list(entries: list[Any], indent: str) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for entry in entries:
        if isinstance(entry, _Shown):
            lines.append((f"{indent}- {entry.text}", entry.origin))
        elif isinstance(entry, dict) and entry:
            lines += _render(entry, indent + "  ", f"{indent}- ")
        elif isinstance(entry, list) and entry:
            lines.append((f"{indent}-", ""))
            lines += _render_list(entry, indent + "  ")
        else:
            lines.append((f"{indent}- {'{}' if isinstance(entry, dict) else '[]'}", ""))
    return lines


def _scalar(value: Any) -> str:
    is_word = isinstance(value, str) and re.fullmatch(r"[A-Za-z_/.][\w/.:@+=-]*(?<!:)", value)
    if is_word and value.lower() not in ("true", "false", "null", "yes", "no", "on", "off"):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
