"""Errors of requests before there is an exchange, as clients of each API get them."""

from __future__ import annotations

import logging

import pytest

from llm_gateway.monitoring.failure_log import FailureLog
from llm_gateway.testing import GatewayClient

ECHO = "models: [{name: m, isDefault: true, provider: {type: echo}}]"


@pytest.fixture(scope="module")
def client() -> GatewayClient:
    return GatewayClient(ECHO)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/openai/v1/chat/completion", "error"),
        ("/anthropic/v1/message", "error"),
        ("/nothing/at/all", "error"),
    ],
)
def test_an_unknown_path_is_an_error_in_the_apis_shape_with_the_nearest_route(
    client: GatewayClient, path: str, place: str
) -> None:
    reply = client.post(path, json={})

    assert reply.status == 404
    assert f"There is no route POST {path}" in str(reply.json()[place])
    assert reply.headers["x-llm-gateway-error-source"] == "gateway"
    assert reply.headers["x-request-id"]


def test_a_mistyped_path_gets_a_suggestion(client: GatewayClient) -> None:
    assert "Did you mean /openai/v1/chat/completions?" in client.post("/openai/v1/chat/completion", json={}).text


def test_a_mistyped_project_is_named_in_the_reply_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = GatewayClient(f"{ECHO}\nprojects: [{{name: support}}]")
    client._app.failure_log = FailureLog()
    with caplog.at_level(logging.INFO, "llm_gateway.requests"):
        reply = client.post("/suport/v1/messages", json={})

    assert "Did you mean /support/v1/messages?" in reply.text
    assert "probably meant: /support/v1/messages" in caplog.text


@pytest.mark.parametrize("path", ["/no-such-project/v1/messages", "/nothing/at/all"])
def test_a_path_that_is_like_none_gets_the_page_that_lists_them(client: GatewayClient, path: str) -> None:
    assert "GET / lists the projects and their addresses." in client.post(path, json={}).text
    assert client.request("GET", "/").json()["projects"][0]["apis"]


def test_a_method_that_a_route_does_not_take_is_answered_with_those_that_it_takes(client: GatewayClient) -> None:
    reply = client.request("DELETE", "/openai/v1/chat/completions")

    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert "does not take DELETE; it takes POST" in reply.text


def test_the_shape_is_that_of_the_adapter(client: GatewayClient) -> None:
    assert client.post("/anthropic/v1/message", json={}).json()["type"] == "error"
    assert "type" not in client.post("/openai/v1/nothing", json={}).json()
