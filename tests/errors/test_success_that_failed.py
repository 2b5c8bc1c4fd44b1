"""Replies with a status of success and an error in the body."""

from __future__ import annotations

import pytest
from asking import CLIENTS, error_of, post, text_of
from provider_errors import failure_inside
from served_gateway import ServedGateway

TELLING = ("openai_chat", "openai_responses")
"""The APIs that know such a thing."""
STATUSES = {"rate_limit": (429,), "overloaded": (503, 529), "upstream": (500, 502)}

each_client = pytest.mark.parametrize("client", CLIENTS)
each_provider = pytest.mark.parametrize("provider", TELLING)
each_class = pytest.mark.parametrize("kind", STATUSES)


@each_client
@each_provider
@each_class
def test_clients_of_other_apis_get_the_status_of_the_error(
    gateway: ServedGateway, client: str, provider: str, kind: str
) -> None:
    reply = post(gateway, client, provider, f"fail inside {kind}")

    reported = failure_inside(provider, kind).whole
    if client == provider:
        assert (reply.status_code, reply.json()) == (200, reported), "a client of the same API gets it as it came"
        return
    assert reply.status_code in STATUSES[kind]
    assert error_of(client, reply.json())[2].startswith(reported["error"]["message"])
    assert reply.headers["x-llm-gateway-error-source"] == "upstream"


@each_client
@each_provider
@each_class
def test_another_model_answers_where_one_is_left(gateway: ServedGateway, client: str, provider: str, kind: str) -> None:
    project = f"/from-{provider.replace('_', '-')}"

    reply = post(gateway, client, provider, f"fail inside {kind}", project=project)

    assert reply.status_code == 200
    assert text_of(client, reply.json()) == "the spare model answers"
    assert reply.headers["x-llm-gateway-model"] == "spare"


@pytest.mark.parametrize("client", TELLING)
def test_a_reply_that_only_speaks_of_errors_is_not_a_failure(gateway: ServedGateway, client: str) -> None:
    words = 'the body has "error": {"message": "x"} and "status": "failed" in it'

    reply = post(gateway, client, client, words, project=f"/from-steady-{client.replace('_', '-')}")

    assert text_of(client, reply.json()) == f"upstream heard: {words}"
