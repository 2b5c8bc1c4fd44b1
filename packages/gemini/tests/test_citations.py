"""Citations of Gemini become citations of texts, and back."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.citations import build_grounding, citations_of

from llm_gateway_sdk import Citation, TextPart

SUPPORT = {"segment": {"startIndex": 0, "endIndex": 3}, "groundingChunkIndices": [0]}


@pytest.mark.parametrize("kind", ["web", "retrievedContext", "maps"])
def test_a_source_of_any_kind_is_cited(kind: str) -> None:
    grounding = {"groundingChunks": [{kind: {"uri": "https://a", "title": "A"}}], "groundingSupports": [SUPPORT]}

    assert citations_of(grounding, "größe") == [Citation("url", url="https://a", title="A", start=0, end=2)]


@pytest.mark.parametrize("key", ["citationSources", "citations"])
def test_sources_of_recited_text_are_citations(key: str) -> None:
    metadata = {key: [{"endIndex": 2, "uri": "https://a"}, {"endIndex": 2}]}

    assert citations_of(metadata, "abc") == [Citation("url", url="https://a", start=0, end=2)]


def test_sources_that_no_part_refers_to_cite_the_whole_text() -> None:
    assert citations_of({"groundingChunks": [{"web": {"uri": "https://a"}}]}, "abc") == [
        Citation("url", url="https://a")
    ]


@pytest.mark.parametrize("broken", [{}, {"citations": "x"}, {"groundingChunks": [1]}, {"citationSources": [1]}])
def test_what_cannot_be_read_cites_nothing(broken: dict[str, Any]) -> None:
    assert citations_of(broken, "abc") == []


def test_citations_of_addresses_become_grounding() -> None:
    grounding = build_grounding([TextPart("größe", [Citation("url", url="https://a", title="A", start=0, end=2)])])

    assert grounding is not None
    assert citations_of(grounding, "größe") == [Citation("url", url="https://a", title="A", start=0, end=2)]
