"""The keys that each place of a configuration can have, and where a key that is in the wrong place belongs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from llm_gateway.config.document import Path, show_path
from llm_gateway.config.other_names import letters
from llm_gateway.config.problems import closest, unknown_key
from llm_gateway.config.schema_views import Schema, children, expand
from llm_gateway_sdk import LLMRequest
from llm_gateway_sdk.provider import HTTP_PROVIDER_PROPERTIES

__all__ = ["describe_unknown_key", "file_schema", "known_keys"]

_SETTINGS = ("args", "arguments", "configuration", "options", "params", "parameters", "settings", "with")
"""What other programs call the settings of a plugin."""

_EXTENDED = (("plugins",), ("adapters",), ("provider",))
"""Lists and keys whose entries name an extension: its settings are below their `config`."""

_REQUEST_FIELDS = frozenset(field.name for field in dataclasses.fields(LLMRequest)) - {"model", "metadata"}

_TLS = ("cert", "certFile", "certificate", "https", "keyFile", "ssl", "tls")

_FALLBACKS = "fallbacks are settings of the plugin type `model-router`: `config: {model: …, fallbacks: […]}`"

_ELSEWHERE = {
    ("", "defaultmodel"): "write `isDefault: true` at the model",
    ("", "include"): "a configuration is one file; projects inherit what is at the top level",
    ("", "timeout"): "did you mean `requestTimeout`?",
    ("", "fallbacks"): _FALLBACKS,
    ("models", "fallbacks"): _FALLBACKS,
    ("logging", "file"): "write `file_path: …` and `destinations: [console, file]`",
    ("server", "listen"): "write `host: …` and `port: …`",
    ("server", "bind"): "write `host: …` and `port: …`",
    ("plugins", "when"): "did you mean `conditions`?",
}
"""By place and letters of the key: what other programs have there, and how it is written here."""

_MOST_PLACES = 2
"""A key that is known in more places than these is too common a word to be a hint."""


@cache
def file_schema() -> dict[str, Any]:
    """JSON Schema of the configuration file, the settings of extensions left open.

    Kept in a file, because every start needs it and making it takes longer than reading a configuration. A test
    compares the two; `hatch run python tools/file_schema.py` writes the file anew.
    """
    schema: dict[str, Any] = json.loads(FilePath(__file__).with_name("file_schema.json").read_bytes())
    return schema


def known_keys(path: Path) -> list[str]:
    """The settings that the mapping at `path` can have."""
    schema = file_schema()
    views = list(expand([schema], schema))
    for key in path:
        views = list(expand(list(children(views, key)), schema))
    return [name for view in views for name in view.get("properties", ())]


def describe_unknown_key(place: Path) -> str:
    """What is wrong with the key at `place`, and what was probably meant: another place, or another spelling."""
    key, parent = str(place[-1]), place[:-1]
    known = known_keys(parent)
    if "\u00a0" in key:
        return f'unknown key "{key.strip()}"; the line has a space that is not an ordinary one (U+00A0): type it again'
    if key[:2] in ("+ ", "- "):
        return f'unknown key "{key}"; remove the mark of a comparison at the beginning of the line'
    mapping = ".".join(name for name in parent if isinstance(name, str))
    if (elsewhere := _ELSEWHERE.get((mapping, letters(key)))) is not None:
        return f'unknown key "{key}"; {elsewhere}'
    if parent == ("server",) and key in _TLS:
        return f'unknown key "{key}"; the gateway listens for HTTP without TLS: let a proxy in front of it end TLS'
    if (meant := _in_settings(key, parent, known) or _in_another_place(key, parent)) is not None:
        return f'unknown key "{key}"; {meant}'
    return unknown_key(key, closest(key, known), known)


def _in_settings(key: str, parent: Path, known: list[str]) -> str | None:
    """A key next to the `config` of an extension, in which it should be; or another name of `config`."""
    names = tuple(name for name in parent if isinstance(name, str))
    if names[-1:] in _EXTENDED and "config" in known:
        whose = names[-1].rstrip("s")
        if key in _SETTINGS:
            return f"the {whose}'s settings are written below `config`"
        if closest(key, known) is None:
            return f"the {whose}'s settings are written below its `config`: `config: {{{key}: …}}`"
    if names == ("models",):
        if key in ("type", "config"):
            return f"did you mean `provider: {{{key}: …}}`? Its lines begin further to the right than `provider`"
        if key.replace("-", "_") in _REQUEST_FIELDS and closest(key, known) is None:
            return f"did you mean `modelConfig: {{{key}: …}}`?"
        if key in HTTP_PROVIDER_PROPERTIES and closest(key, known) is None:
            return f"did you mean `provider.config.{key}`?"
    return None


def _in_another_place(key: str, parent: Path) -> str | None:
    """Where the file has such a key, if not here."""
    places = _places().get(key, ())
    if parent[:1] == ("projects",) and (key,) in places:
        return "it is a setting of the top level, not of a project"
    spelled = [show_path(place).replace("[0]", "[]") for place in places if place[:-1] != parent]
    if not 0 < len(spelled) <= _MOST_PLACES:
        return None
    if not parent:
        del spelled[1:]  # the first section that has it
    return f"did you mean {' or '.join(f'`{each}`' for each in spelled)}?"


@cache
def _places() -> dict[str, list[Path]]:
    """Each key with the places where the file can have it; entries of lists have the number 0."""
    found: dict[str, list[Path]] = {}
    schema = file_schema()
    for place in _walk([schema], schema, ()):
        if isinstance(place[-1], str):
            found.setdefault(place[-1], []).append(place)
    return found


def _walk(schemas: list[Schema], root: Schema, path: Path) -> Iterator[Path]:
    views = list(expand(schemas, root))
    keys: dict[str | int, None] = {name: None for view in views for name in view.get("properties", ())}
    if any("items" in view for view in views):
        keys[0] = None
    for key in keys:
        yield (*path, key)
        if not any(view.get("x-extension-settings") for view in views) and len(path) < _DEEPEST:
            yield from _walk(list(children(views, key)), root, (*path, key))


_DEEPEST = 6
