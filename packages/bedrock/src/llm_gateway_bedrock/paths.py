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

_PATH = re.compile(r"/model/(.+)/([a-z-]+)$")


def split_path(path: str) -> tuple[str | None, str]:
    """`/model/amazon.nova-lite-v1%3A0/converse` → `("amazon.nova-lite-v1:0", "converse")`; (None, "") otherwise."""
    match = _PATH.search(path)
    return (unquote(match[1]), match[2]) if match else (None, "")


def build_path(model: str, operation: str) -> str:
    return f"/model/{quote(model, safe='')}/{operation}"
