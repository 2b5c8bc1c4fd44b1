"""What the gateway refuses before anything goes out costs nothing of a budget, at each endpoint and for each reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from endpoint_models import models_of
from odd_requests import REQUESTS, odd_at_each_place
from test_every_route import GENERATING, MESSAGES
from vendors import Reply, Seen, Vendors

from llm_gateway.testing import GatewayClient

LIMITS = {"limits": [{"name": "budget", "per": ["model"], "tokens": 9000, "window": "lifetime"}]}
CONVERSATIONS = {
    "/openai/v1/chat/completions": GENERATING["openai_chat"] | {"tools": [], "n": 1, "response_format": {}},
    "/openai/v1/responses": GENERATING["openai_responses"]
    | {"prompt": {"id": "p"}, "previous_response_id": "resp_none", "conversation": "conv_none", "tools": []},
    "/anthropic/v1/messages": GENERATING["anthropic"] | {"system": "x", "tools": [], "thinking": {"type": "disabled"}},
    "/gemini/v1beta/models/{model}:generateContent": GENERATING["gemini"] | {"cachedContent": "c", "tools": []},
    "/bedrock/model/{model}/converse": GENERATING["bedrock"] | {"toolConfig": {"tools": []}},
    "/ollama/api/chat": GENERATING["ollama"] | {"tools": [], "format": {}},
}
ASKED = CONVERSATIONS | {path: body for path, body in REQUESTS.items() if path != "/ollama/api/show"}


class Refusing(Vendors):
    """Answers nothing, whatever it is asked."""

    def answer(self, seen: Seen) -> Reply:
        return Reply({"error": {"message": "no"}}, 400)


@pytest.fixture(scope="module")
def refusing() -> Iterator[Refusing]:
    server = Refusing()
    yield server
    server.close()


@pytest.fixture(scope="module")
def client(refusing: Refusing) -> Iterator[GatewayClient]:
    made = GatewayClient(
        json.dumps(
            {
                "models": [{**each, "isDefault": each["name"] == "anthropic"} for each in models_of(refusing.url)],
                "projects": [{"name": "limited", "plugins": [{"name": "limits", "type": "limits", "config": LIMITS}]}],
            }
        )
    )
    yield made
    made.close()


def asked_for(path: str, model: str) -> tuple[str, dict[str, Any]]:
    body = ASKED[path]
    return path.format(model=model), body if "{model}" in path else {**body, "model": model}


@pytest.mark.parametrize("path", ASKED)
def test_the_ledger_knows_that_nothing_went_out(client: GatewayClient, refusing: Refusing, path: str) -> None:
    refused = 0
    for number, model in enumerate(("anthropic", "mistral")):
        address, body = asked_for(path, model)
        for what, odd in odd_at_each_place(body, each=2, shift=number):
            sent = len(refusing.seen)
            answer = client.request("POST", address, body=json.dumps(odd).encode())
            if answer.status >= 400 and len(refusing.seen) == sent and answer.context is not None:
                refused += 1
                assert all(each.error for each in answer.context.attempts), f"{model}, {what}: {answer.status}"
    assert refused > 2


REASONS: dict[str, tuple[str, dict[str, Any]]] = {
    "it can't be read": ("/openai/v1/chat/completions", {"messages": 5}),
    "a field of a wrong type": ("/openai/v1/chat/completions", {"messages": MESSAGES, "tools": 5}),
    "the provider can't do it": ("/openai/v1/responses", {"input": "x", "prompt": {"id": "p"}}),
    "a conversation that is not kept": ("/openai/v1/responses", {"input": "x", "conversation": "conv_none"}),
    "a file of another vendor": (
        "/openai/v1/chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}]},
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_no_budget_is_used_up_by_refusals(client: GatewayClient, refusing: Refusing, reason: str) -> None:
    path, body = REASONS[reason]
    for _ in range(4):
        assert client.post(f"/limited{path}", {**body, "model": "anthropic"}).status == 400
    sent = len(refusing.seen)

    client.post("/limited/openai/v1/chat/completions", {"messages": MESSAGES, "model": "anthropic"})

    assert len(refusing.seen) == sent + 1, "it is within its limit"
