"""The JSON Schema of the whole configuration file, with the settings of every extension in it, for editors.

It allows what the loader allows: `${…}` in place of any value, and durations with units.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from llm_gateway.config.schema import GatewayFile
from llm_gateway.config.units import show_duration, show_size
from llm_gateway.config.value_types import DURATION_SCHEMA

_HOLDERS = {"plugin": "PluginConfig", "provider": "ProviderConfig", "adapter": "AdapterConfig"}
_VARIABLE = {"type": "string", "pattern": r"\$\{", "description": "A variable."}
_SUBSCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_SUBSCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SUBSCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions")


def whole_schema(extensions: Iterable[tuple[str, str, Mapping[str, Any]]] = ()) -> dict[str, Any]:
    """The schema; `extensions` are kind, name and settings schema of each."""
    schema = GatewayFile.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    names: dict[str, list[str]] = {kind: [] for kind in _HOLDERS}
    for kind, name, settings in extensions:
        if kind not in _HOLDERS:
            continue
        names[kind].append(name)
        anchor = f"{kind}.{name}"
        definitions[anchor] = _rebase(copy.deepcopy(dict(settings)), f"#/$defs/{_escape(anchor)}")
        definitions[anchor].pop("$schema", None)
        holder = definitions[_HOLDERS[kind]]
        holder.setdefault("allOf", []).append(
            {"if": _names(kind, name), "then": {"properties": {"config": {"$ref": f"#/$defs/{_escape(anchor)}"}}}}
        )
    for kind, known in names.items():
        if known:
            definitions[_HOLDERS[kind]]["properties"]["type"]["examples"] = sorted(known)
    schema = dict(_for_editors(schema))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "LLM Gateway configuration"
    schema["patternProperties"] = {"^x-": {"description": "Ignored: a place for YAML anchors."}}
    return schema


def _names(kind: str, name: str) -> dict[str, Any]:
    by_type = {"properties": {"type": {"const": name}}, "required": ["type"]}
    if kind != "adapter":
        return by_type
    by_name = {"properties": {"name": {"const": name}, "type": False}, "required": ["name"]}
    return {"anyOf": [by_type, by_name]}


def _escape(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


def _rebase(schema: Any, root: str) -> Any:
    """References within an extension's schema, made to hold where it is in the whole."""
    if isinstance(schema, list):
        return [_rebase(each, root) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: root + value[1:]
        if key == "$ref" and isinstance(value, str) and value.startswith("#")
        else _rebase(value, root)
        for key, value in schema.items()
    }


def _for_editors(schema: Any) -> Any:
    """The schema with what the loader allows in addition: units, `${…}`, `null` for what has a default."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-duration"):
        schema = {**{key: schema[key] for key in ("description", "default") if key in schema}, **DURATION_SCHEMA}
    shown = {key: value for key, value in schema.items() if key != "title"}
    default = shown.get("default")
    if isinstance(default, dict) and default:
        del shown["default"]  # written in the units of Python; each field has its own default, in the file's units
    if isinstance(default, int | float) and not isinstance(default, bool) and "x-unit" in shown:
        shown["default"] = show_duration(default) if shown["x-unit"] == "duration" else show_size(int(default))
    for key in _SUBSCHEMAS:
        if key in shown:
            shown[key] = _for_editors(shown[key])
    for key in _SUBSCHEMA_LISTS:
        if key in shown:
            shown[key] = [_for_editors(each) for each in shown[key]]
    for key in _SUBSCHEMA_MAPS:
        if key in shown:
            shown[key] = {name: _for_editors(each) for name, each in shown[key].items()}
    if "if" in shown or not _is_narrow(shown):
        return shown
    outer = {key: shown.pop(key) for key in ("description", "default", "examples") if key in shown}
    return {**outer, "anyOf": [shown, _VARIABLE]}


def _is_narrow(schema: Mapping[str, Any]) -> bool:
    """Whether the schema would refuse the text `${NAME}` where the loader takes it."""
    if "enum" in schema or "pattern" in schema or "format" in schema:
        return True
    return schema.get("type") in ("integer", "number", "boolean", "array")
