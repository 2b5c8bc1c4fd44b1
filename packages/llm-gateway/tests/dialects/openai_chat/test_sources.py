"""Sources that a text names by number are citations of the text, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_chat.sources import citations_in, sources_of
from llm_gateway_sdk import Accumulator, Citation, Headers, Mint, WireReply
from llm_gateway_sdk.wire import json

TEXT = "It is green [1][2]. And blue [9]."
SOURCES: dict[str, Any] = {
    "citations": ["https://a.org", "https://b.org"],
    "search_results": [{"title": "A", "url": "https://a.org", "date": "2024-01-01"}, {"url": "https://b.org"}],
}
EXPECTED = [
    Citation("url", url="https://a.org", title="A", start=12, end=15),
    Citation("url", url="https://b.org", start=15, end=18),
]
MINT = Mint(lambda prefix: prefix + "1", lambda: 1)


def head(kind: str) -> dict[str, Any]:
    return {"id": "c", "object": kind, "created": 1, "model": "sonar"}


def test_a_whole_reply_cites_the_places() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    body = {**head("chat.completion"), **SOURCES, "choices": [choice]}

    reply = OpenAIChat().decode_response(WireReply(200, Headers(), json.dumps(body)), MINT)

    assert reply.choices[0].message.content[0].citations == EXPECTED  # type: ignore[union-attr]
    assert reply.provider_metadata["openai_chat"] == SOURCES


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_a_stream_cites_the_same_places(pieces: int) -> None:
    size = -(-len(TEXT) // pieces)
    deltas = [{"content": TEXT[at : at + size]} for at in range(0, len(TEXT), size)]
    events = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    events.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    decoder, whole = OpenAIChat().stream_decoder(MINT), Accumulator()
    data = b"".join(
        b"data: " + json.dumps({**head("chat.completion.chunk"), **SOURCES, "choices": [event]}) + b"\n\n"
        for event in events
    )

    for chunk in decoder.feed(data + b"data: [DONE]\n\n") + decoder.close():
        whole.add(chunk)

    part = whole.value().choices[0].message.content[0]
    assert (part.text, part.citations) == (TEXT, EXPECTED)  # type: ignore[union-attr]


def test_a_text_that_names_no_source_is_cited_as_a_whole() -> None:
    assert citations_in("Green.", [("https://a.org", "A")]) == [Citation("url", url="https://a.org", title="A")]


def test_a_reply_may_list_its_sources_in_either_way_and_in_any_form() -> None:
    both = [("https://a.org", "A"), ("https://b.org", None)]
    assert sources_of({"search_results": SOURCES["search_results"]}) == both
    assert sources_of({"citations": ["https://a.org", 5, None]}) == [("https://a.org", None)]
    assert sources_of({"citations": {"a": 1}, "search_results": "none"}) == []


def test_annotations_of_the_servers_own_stay() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://c.org", "title": "C"}}
    message = {"role": "assistant", "content": TEXT, "annotations": [note]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {**head("chat.completion"), **SOURCES, "choices": [choice]}

    reply = OpenAIChat().decode_response(WireReply(200, Headers(), json.dumps(body)), MINT)

    assert [citation.url for citation in reply.choices[0].message.content[0].citations] == ["https://c.org"]  # type: ignore[union-attr]
