"""The model is in the address, quoted: ids hold colons, ARNs slashes too."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

__all__ = ["CONVERSE", "CONVERSE_STREAM", "COUNT_TOKENS", "INVOKE", "INVOKE_STREAM", "build_path", "split_path"]

CONVERSE = "converse"
CONVERSE_STREAM = "converse-stream"
COUNT_TOKENS = "count-tokens"
INVOKE = "invoke"
INVOKE_STREAM = "invoke-with-response-stream"

_OPERATION = re.compile(r"[a-z-]+")


def split_path(path: str) -> tuple[str | None, str]:
    """`/model/amazon.nova-lite-v1%3A0/converse` → `("amazon.nova-lite-v1:0", "converse")`; (None, "") otherwise."""
    model, _, operation = path.partition("/model/")[2].rpartition("/")
    if not model or _OPERATION.fullmatch(operation) is None:
        return None, ""
    return unquote(model), operation


def build_path(model: str, operation: str) -> str:
    return f"/model/{quote(model, safe='')}/{operation}"
