"""The query of a provider's handshake."""

from __future__ import annotations

import pytest

from llm_gateway.exchange.realtime.opening import session_query


@pytest.mark.parametrize(
    ("query", "asked", "found"),
    [
        ("model=voice", True, "model=gpt-realtime%2Fx"),
        ("", False, "model=gpt-realtime%2Fx"),
        ("api-version=v1&model=voice", True, "model=gpt-realtime%2Fx&api-version=v1"),
        ("deployment=voice&deployment=other", False, "model=gpt-realtime%2Fx"),
        ("intent=transcription", False, "intent=transcription"),
        ("intent=transcription&model=voice", True, "model=gpt-realtime%2Fx&intent=transcription"),
    ],
)
def test_the_model_is_named_once_and_as_the_provider_does(query: str, asked: bool, found: str) -> None:
    assert session_query(query, "gpt-realtime/x", asked=asked) == found
