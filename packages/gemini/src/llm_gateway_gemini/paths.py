"""The parts of a Gemini address: model and method are in the path, the form of a stream in the query."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

__all__ = ["STREAM_METHOD", "build_path", "split_path", "wants_sse", "without_key"]

STREAM_METHOD = "streamGenerateContent"

_NAME = re.compile(r"/((?:models|tunedModels|endpoints)/|publishers/[^/]+/models/)")
_METHOD = re.compile(r"[A-Za-z]+")


def split_path(path: str) -> tuple[str | None, str]:
    """`/v1beta/models/gemini-3:generateContent` → `("gemini-3", "generateContent")`; (None, "") for other paths.

    A name outside the collection `models` keeps its collection: `tunedModels/x`.
    """
    resource, _, method = path.rpartition(":")
    found = _NAME.search(resource)
    if found is None or found.end() == len(resource) or _METHOD.fullmatch(method) is None:
        return None, ""
    return unquote(resource[found.start() + 1 :]).removeprefix("models/"), method


def build_path(model: str, method: str) -> str:
    """`/models/{model}:{method}`, relative to a base URL that ends in `/v1beta`."""
    name = model if model.split("/", 1)[0] in _COLLECTIONS and "/" in model else f"models/{model}"
    return f"/{quote(name, safe='/:@-._~')}:{method}"


_COLLECTIONS = frozenset({"models", "tunedModels", "endpoints", "publishers", "projects"})


def wants_sse(query: str) -> bool:
    """Without `alt=sse` a stream is one JSON array."""
    return "alt=sse" in query.split("&")


def without_key(query: str) -> str:
    """The query without the caller's `key`, which is a credential."""
    if "key=" not in query:
        return query
    return urlencode([(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "key"])
