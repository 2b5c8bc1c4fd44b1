"""The store of the whole gateway: found by the scheme of its URL, checked by building it, connected to when used."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from llm_gateway.config.document import Path, plain
from llm_gateway.config.formatting import show_of
from llm_gateway.config.loader import Draft
from llm_gateway.config.problems import unknown
from llm_gateway.config.resolve import resolve
from llm_gateway.config.schema import DEFAULT_STORE
from llm_gateway.extension_settings import check_schema
from llm_gateway.extensions import Extension, Extensions
from llm_gateway_sdk.errors import ConfigError
from llm_gateway_sdk.store import Store, scheme_of

__all__ = ["build_store", "check_store", "state_folder"]

_PLACE: Path = ("store",)


def build_store(extensions: Extensions, url: str, config: Mapping[str, Any], directory: FilePath) -> Store:
    """The store of this URL, not yet connected. Raises ConfigError or ValueError where it can't be used."""
    store: Store = extensions.get("store", scheme_of(url)).cls()
    folder = state_folder(directory)
    try:
        store.configure(url, config, directory=folder)
    except ValueError as error:
        raise ValueError(f"the store `{scheme_of(url)}:`: {error}") from None
    store.identity = hashlib.sha256(f"{url}\0{folder.absolute()}".encode()).hexdigest()[:16]
    return store


def state_folder(directory: FilePath) -> FilePath:
    """What the path of a store's file is relative to: `LLM_GATEWAY_STATE_DIR`, else the folder of the configuration."""
    return FilePath(os.environ.get("LLM_GATEWAY_STATE_DIR") or directory)


def check_store(draft: Draft, extensions: Extensions, directory: FilePath) -> Extension | None:
    """Fills and checks the block `store` of the document. Returns what it uses, None where nothing is written."""
    node = draft.root.get("store")
    if node is None or not isinstance(node.value, dict):
        return None
    problems, place = draft.problems, (*_PLACE, "url")
    url: Any = DEFAULT_STORE
    if (url_node := node.get("url")) is not None:
        resolve(url_node, {"type": "string"}, draft.variables, problems, place)
        url = url_node.value
    settings_node = node.get("config")
    if not isinstance(url, str) or problems.below(place):
        if settings_node is not None:
            resolve(settings_node, {}, draft.variables, problems, (*_PLACE, "config"))
        return None  # reported when the settings around it are validated
    try:
        extension = _extension(extensions, url)
    except (ConfigError, ValueError) as error:
        problems.add(place, error.problems[0].message if isinstance(error, ConfigError) else str(error))
        return None
    settings: Any = {}
    if settings_node is not None:
        resolve(settings_node, extension.schema, draft.variables, problems, (*_PLACE, "config"))
        settings = plain(settings_node)
        if not isinstance(settings, dict):
            return extension
        for below, message in check_schema(extension, settings, show_of(settings_node)):
            if not problems.below((*_PLACE, "config", *below)):
                problems.add((*_PLACE, "config", *below), message)
    if not problems.below(_PLACE):
        try:
            extension.cls().configure(url, settings, directory=state_folder(directory))
        except ValueError as error:
            problems.add(place, str(error))
    return extension


def _extension(extensions: Extensions, url: str) -> Extension:
    scheme = scheme_of(url)
    if scheme not in extensions.names("store") and scheme not in ("redis", "rediss", "redis+sentinel", "redis+cluster"):
        if re.fullmatch(r"[\w.-]+:\d+", url):
            raise ValueError(f"expected an address such as redis://{url}")
        raise ValueError(unknown("kind of store", scheme, extensions.names("store")))
    return extensions.get("store", scheme)
