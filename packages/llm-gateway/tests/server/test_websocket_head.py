"""Credentials that browsers put among the subprotocols go where every other client has them."""

from __future__ import annotations

from llm_gateway.server.websocket_head import websocket_headers

OFFER = "realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1, openai-project.p1, openai-organization.o1"


def test_key_beta_project_and_organisation_become_headers() -> None:
    found = websocket_headers([("host", "g"), ("sec-websocket-protocol", OFFER)])

    assert sorted(found) == [
        ("authorization", "Bearer sk-1"),
        ("host", "g"),
        ("openai-beta", "realtime=v1"),
        ("openai-organization", "o1"),
        ("openai-project", "p1"),
        ("sec-websocket-protocol", "realtime"),
    ]


def test_what_is_there_already_stays_and_no_key_is_left_over() -> None:
    found = websocket_headers([("authorization", "Bearer first"), ("sec-websocket-protocol", OFFER)])

    assert [value for name, value in found if name == "authorization"] == ["Bearer first"]
    assert "sk-1" not in str(found)


def test_other_subprotocols_are_left_as_they_are() -> None:
    headers = [("sec-websocket-protocol", "realtime, other")]

    assert websocket_headers(headers) == headers
    assert websocket_headers([("host", "g")]) == [("host", "g")]
