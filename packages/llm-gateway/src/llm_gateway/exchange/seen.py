"""What goes out where a plugin edits: only what it has seen.

A plugin sees the canonical form. What of the client's bytes the form does not hold is left out or refused once a plugin
that edits is active: a second field for the same thing, a key that is written twice, a value that the dialect reads as
another one, a query that no API knows.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

from llm_gateway_sdk import InvalidRequest

from .patch import Comparison

__all__ = ["compared", "seen_query"]

_KNOWN_QUERY = frozenset({"alt", "$alt", "api-version", "beta", "key", "prettyPrint", "$prettyPrint"})
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}|20\d\d-\d\d-\d\d(?:-preview)?")


def compared(body: bytes) -> Comparison:
    """The body, to be compared with what a dialect writes of it. Raises InvalidRequest for keys that it has twice:
    plugins see one of the values, and the provider may read the other."""
    came = Comparison(body)
    if came.has_duplicate_keys:
        raise InvalidRequest("A key is written twice in the body, and a plugin that edits requests can't see both.")
    return came


def seen_query(query: str) -> str:
    """The query string without what is free text: parameters that no API of a model knows, and odd values."""
    if not query:
        return query
    return urlencode(
        [
            (name, value)
            for name, value in parse_qsl(query, keep_blank_values=True)
            if name in _KNOWN_QUERY and (name == "key" or _WORD.fullmatch(value) is not None)
        ]
    )
