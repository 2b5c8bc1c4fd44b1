"""The parts of a Gemini address: model and method are in the path, the form of a stream in the query."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

__all__ = ["STREAM_METHOD", "build_path", "split_path", "wants_sse", "without_key"]

STREAM_METHOD = "streamGenerateContent"

_PATH = re.compile(r"/((?:models|tunedModels|endpoints)/[^?]+|publishers/[^/]+/models/[^?]+):([A-Za-z]+)$")


def split_path(path: str) -> tuple[str | None, str]:
    """`/v1beta/models/gemini-3:generateContent` → `("gemini-3", "generateContent")`; (None, "") for other paths.

    A name outside the collection `models` keeps its collection: `tunedModels/x`.
    """
    match = _PATH.search(path)
    if match is None:
        return None, ""
    return unquote(match[1]).removeprefix("models/"), match[2]


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
