"""The two endpoints that generate: `/api/chat` over messages, `/api/generate` over one prompt."""

from __future__ import annotations

__all__ = ["CHAT", "GENERATE", "is_generate"]

CHAT = "/api/chat"
GENERATE = "/api/generate"


def is_generate(path: str) -> bool:
    return path.endswith(GENERATE)
