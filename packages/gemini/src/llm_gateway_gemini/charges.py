"""What a reply is charged for beyond its tokens: grounding by Google Search and Maps.

https://ai.google.dev/gemini-api/docs/pricing: models up to 2.5 are charged per prompt that was grounded, later ones per
search query.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from llm_gateway_sdk import Usage

__all__ = ["add_grounding"]

_PER_PROMPT = re.compile(r"gemini-(?:1|2)[.-]")


def add_grounding(usage: Usage | None, body: dict[str, Any]) -> Usage | None:
    """Adds to the usage of a reply, or of one event of its stream, the calls that its grounding metadata show."""
    candidates = body.get("candidates")
    calls: Counter[str] = Counter()
    for candidate in candidates if isinstance(candidates, list) else ():
        grounding = candidate.get("groundingMetadata") if isinstance(candidate, dict) else None
        if not isinstance(grounding, dict):
            continue
        queries = grounding.get("webSearchQueries")
        if isinstance(queries, list) and queries:
            per_prompt = _PER_PROMPT.match(str(body.get("modelVersion", ""))) is not None
            calls["web_search"] += 1 if per_prompt else len(queries)
        chunks = grounding.get("groundingChunks")
        if isinstance(chunks, list) and any(isinstance(each, dict) and "maps" in each for each in chunks):
            calls["maps_grounding"] += 1
    if not calls:
        return usage
    found = Usage() if usage is None else usage
    found.tool_calls = dict(calls)
    return found
