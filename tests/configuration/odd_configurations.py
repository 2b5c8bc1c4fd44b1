"""Configurations with a value that is odd in one place: each place that the schemas of the gateway and of its
extensions know, the settings around it as small as they can be."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway.config.json_schema import whole_schema
from llm_gateway.extensions import Kind, installed

__all__ = ["ODD", "Place", "every_place"]

ODD: list[Any] = [
    [], {}, [["a"]], {"a": ["b"]}, None, True, False, 7, 0, -1, -1.5, "a", "", " ", [None], [{}], [7], 10**30,
    -(10**30), float("nan"), float("inf"), "x\x00", "ключ", "9" * 5000, "1e400", "/", "http://", "a\nb", "-5s",
    "99999999999999d", "0s", "/(/", "*", "${", "${NOPE}", "${file:/nope}", "${X:-}", "a" * 100_000, "../..", "\u202e",
    "sqlite:", "redis://", "http://[::1", "http://h:99999", "http://ключ/", "0.0.0.0/99", {"": ""},
    {"a": {"a": {"a": {}}}}, "2026-13-45", "now", "0x10", "١",
]  # fmt: skip

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]

_BASE: dict[str, Any] = {
    "models": [{"name": "m", "isDefault": True, "provider": {"type": "echo"}}],
    "store": {"url": "memory:"},
}
_AWS = {"region": "us-east-1", "accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "secret"}
_SETTINGS: dict[str, dict[str, Any]] = {
    "basic-apikey-auth": {"apikeys": ["gw-key-0123456789abcdef"]},
    "jwt-auth": {"issuer": "https://login.example.com", "audience": "a"},
    "prompt-manager": {"prompt": "p"},
    "regex-hider": {"patterns": [{"pattern": "a"}]},
    "databricks": {"baseUrl": "http://127.0.0.1:1"},
    "model-router": {"model": "m"},
    "limits": {"limits": [{"name": "l", "requests": 5, "window": "1m"}]},
    "bedrock": _AWS,
    "sagemaker": _AWS,
    "vertex": {"project": "p", "location": "global"},
    "azure-openai": {"baseUrl": "http://127.0.0.1:1/openai", "apiKey": "k"},
}
"""What an extension needs besides."""
_URLS = {"memory": "memory:", "sqlite": "sqlite:state.db", "redis": "redis://127.0.0.1:1/0"}
_TEXTS = {"name": "n", "key": "gw-key-0123456789abcdef", "path": "/p", "window": "1m", "url": "http://127.0.0.1:1"}
_PROVIDERS = ("anthropic", "azure-openai", "bedrock", "databricks", "echo", "gemini", "jina", "ollama-native", "openai",
              "sagemaker", "vertex")  # fmt: skip
"""Others are presets of these."""


@dataclass(frozen=True)
class Place:
    owner: str
    """Whose setting it is: `core`, or kind and name of an extension."""
    path: Path
    schema: Schema

    def configuration(self, odd: Any) -> dict[str, Any]:
        if self.owner == "core":
            whole: dict[str, Any] = _with_value(self.schema, self.schema, self.path, odd, _BASE)
            return whole
        kind, name = self.owner.split(" ")
        usual = _SETTINGS.get(name, {})
        settings = _with_value(self.schema, self.schema, self.path, odd, usual) if self.path else odd
        made = copy.deepcopy(_BASE)
        if kind == "plugin":
            made["plugins"] = [{"name": "x", "type": name, "config": settings}]
        elif kind == "provider":
            made["models"].append({"name": "x", "provider": {"type": name, "config": settings}})
        else:
            made["store"] = {"url": _URLS[name], "config": settings}
        return made


def every_place() -> Iterator[Place]:
    root = whole_schema()
    yield from (Place("core", path, root) for path in _paths(root) if path)
    kinds: tuple[tuple[Kind, Collection[str] | None], ...] = (
        ("plugin", None), ("provider", _PROVIDERS), ("store", tuple(_URLS)),
    )  # fmt: skip
    for kind, names in kinds:
        for extension in installed().all(kind):
            if names is None or extension.name in names:
                owner = f"{kind} {extension.name}"
                yield from (Place(owner, path, extension.schema) for path in _paths(extension.schema))


def _paths(root: Schema) -> list[Path]:
    return sorted(set(_below(root, root, (), ())), key=str)


def _below(schema: Any, root: Schema, path: Path, seen: tuple[str, ...]) -> Iterator[Path]:
    if not isinstance(schema, dict):
        return
    yield path
    if (reference := schema.get("$ref")) is not None and reference not in seen:
        yield from _below(_referred(schema, root), root, path, (*seen, reference))
    for key, inner in schema.get("properties", {}).items():
        yield from _below(inner, root, (*path, key), seen)
    yield from _below(schema.get("items"), root, (*path, 0), seen)
    yield from _below(schema.get("additionalProperties"), root, (*path, "key"), seen)
    for combinator in ("anyOf", "allOf", "oneOf"):
        for inner in schema.get(combinator, ()):
            yield from _below(inner, root, path, seen)


def _referred(schema: Schema, root: Schema) -> Schema:
    while (reference := schema.get("$ref")) is not None:
        found: Any = root
        for part in reference.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        schema = found
    return schema


def _branches(schema: Schema) -> list[Schema]:
    return [inner for combinator in ("anyOf", "oneOf", "allOf") for inner in schema.get(combinator, ())]


def _with_value(schema: Schema, root: Schema, path: Path, odd: Any, usual: Any = None) -> Any:
    """The smallest value of `schema`, or `usual`, with the odd one at `path`."""
    if not path:
        return odd
    schema, key = _referred(schema, root), path[0]
    if key not in schema.get("properties", {}):
        for branch in _branches(schema):
            inner = _referred(branch, root)
            holds = ("items" in inner) if key == 0 else (key in inner.get("properties", {}) or _is_map(inner, key))
            if holds or _branches(inner):
                return _with_value(branch, root, path, odd, usual)
    if key == 0 and "items" in schema:
        return [_with_value(schema["items"], root, path[1:], odd)]
    made = dict(usual) if isinstance(usual, dict) else _required(schema, root)
    inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
    made[str(key)] = _with_value(inner if isinstance(inner, dict) else {}, root, path[1:], odd, made.get(str(key)))
    return made


def _is_map(schema: Schema, key: str | int) -> bool:
    return key == "key" and isinstance(schema.get("additionalProperties"), dict)


def _required(schema: Schema, root: Schema) -> dict[str, Any]:
    fields = schema.get("properties", {})
    return {name: _smallest(fields.get(name, {}), root, name) for name in schema.get("required", ())}


def _smallest(schema: Schema, root: Schema, name: str) -> Any:
    schema = _referred(schema, root)
    if schema.get("default"):
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if branches := _branches(schema):
        return _smallest(branches[0], root, name)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return _required(schema, root)
    if kind == "array":
        return [_smallest(schema.get("items", {}), root, name)] if schema.get("minItems") else []
    if kind in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    return True if kind == "boolean" else _TEXTS.get(name, "x")
