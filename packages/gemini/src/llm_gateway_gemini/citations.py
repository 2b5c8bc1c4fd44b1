"""Citations: `groundingMetadata` and `citationMetadata` of a candidate ↔ citations of its texts.

Gemini counts places in bytes of the candidate's whole text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import Citation, Part, TextPart

__all__ = ["build_grounding", "citations_of"]


def citations_of(grounding: dict[str, Any], text: str) -> list[Citation]:
    """Of `groundingMetadata` or `citationMetadata`. Sources that no part of the text refers to cite all of it."""
    encoded = text.encode("utf-8", "surrogatepass")
    plain = len(encoded) == len(text)
    chunks = grounding.get("groundingChunks")
    if not isinstance(chunks, list):
        sources = grounding.get("citationSources") or grounding.get("citations")
        return [
            Citation(
                "url",
                url=source["uri"],
                title=source.get("title"),
                start=_character(source.get("startIndex", 0), encoded, plain),
                end=_character(source.get("endIndex"), encoded, plain),
            )
            for source in (sources if isinstance(sources, list) else ())
            if isinstance(source, dict) and isinstance(source.get("uri"), str)
        ]
    supports = grounding.get("groundingSupports")
    if not isinstance(supports, list) or not supports:
        found = [_source(chunk) for chunk in chunks]
        return [Citation("url", url=source.get("uri"), title=source.get("title")) for source in found if source]
    citations = []
    for support in supports:
        segment = support.get("segment") if isinstance(support, dict) else None
        positions = support.get("groundingChunkIndices") if isinstance(support, dict) else None
        if not isinstance(segment, dict) or not isinstance(positions, list):
            continue
        start = _character(segment.get("startIndex", 0), encoded, plain)
        end = _character(segment.get("endIndex"), encoded, plain)
        for position in positions:
            if isinstance(position, int) and 0 <= position < len(chunks) and (source := _source(chunks[position])):
                citations.append(
                    Citation("url", url=source.get("uri"), title=source.get("title"), start=start, end=end)
                )
    return citations


def _source(chunk: Any) -> dict[str, Any] | None:
    """What a grounding chunk names: whatever its kind, it has an address and a title."""
    if not isinstance(chunk, dict):
        return None
    for kind in ("web", "retrievedContext", "maps", "image"):
        if isinstance(chunk.get(kind), dict):
            source: dict[str, Any] = chunk[kind]
            return source
    return None


def _character(offset: Any, encoded: bytes, plain: bool) -> int | None:
    """The number of the character at a byte offset, which is how Gemini counts."""
    if not isinstance(offset, int) or isinstance(offset, bool):
        return None
    return offset if plain else len(encoded[:offset].decode("utf-8", "ignore"))


def build_grounding(content: Sequence[Part]) -> dict[str, Any] | None:
    """`groundingMetadata` of citations of addresses, as other providers give them."""
    chunks: list[dict[str, Any]] = []
    places: dict[str, int] = {}
    supports: list[dict[str, Any]] = []
    before = 0
    for part in content:
        if not isinstance(part, TextPart):
            continue
        for citation in part.citations:
            if citation.url is None:
                continue
            if citation.url not in places:
                places[citation.url] = len(chunks)
                web = {"uri": citation.url} | ({"title": citation.title} if citation.title is not None else {})
                chunks.append({"web": web})
            start = 0 if citation.start is None else citation.start
            end = len(part.text) if citation.end is None else citation.end
            segment = {
                "startIndex": before + _bytes(part.text[:start]),
                "endIndex": before + _bytes(part.text[:end]),
                "text": part.text[start:end],
            }
            supports.append({"segment": segment, "groundingChunkIndices": [places[citation.url]]})
        before += _bytes(part.text)
    return {"groundingChunks": chunks, "groundingSupports": supports} if chunks else None


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
