"""Which further paths of a vendor's API a project passes on (`nativePaths`)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llm_gateway_sdk.wildcards import matches_wildcard

__all__ = ["is_listed"]


def is_listed(path: str, listed: Iterable[str]) -> bool:
    """`/files` lists `/v1/files` and what is below it; `*` matches within and across segments."""
    bare = re.sub(r"^/v1(?:beta)?(?=/)", "", path)
    for entry in listed:
        wanted = re.sub(r"^/v1(?:beta)?(?=/)", "", entry if entry.startswith("/") else f"/{entry}").rstrip("/")
        if bare == wanted or bare.startswith(wanted + "/") or matches_wildcard(bare, wanted):
            return True
    return False
