"""A value of a wrong type in any place of a request or a reply, at all endpoints next to conversations.

A request is answered or refused, a provider's reply is an answer or the provider's failure: nothing is a fault of the
gateway, and nothing that a provider sends is the client's. ODD_LONG=1 tries each value in each place at each provider.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from endpoint_models import models_of
from odd_requests import REQUESTS, odd_at_each_place
from vendors import Reply, Seen, Vendors

from llm_gateway.testing import GatewayClient

LONG = bool(os.environ.get("ODD_LONG"))
EACH = None if LONG else 1
NO_DOCUMENT = ("/ollama/api/show", "/openai/v1/audio/speech")
"""What the gateway answers itself, and sound."""
HIDING = {"patterns": [{"pattern": r"\d{3}-\d{4}", "replacement": "[hidden]"}]}
PROJECTS = {"plain": "", "hidden": "/hidden"}

pytestmark = pytest.mark.timeout(1200)


class Recorded(Vendors):
    """Answers each request as the first one of its path was answered, with `change` made to the body."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Reply] = {}
        self.change: Callable[[Reply], Reply] = lambda reply: reply
        self.last_path = ""

    def answer(self, seen: Seen) -> Reply:
        self.last_path = seen.path
        if seen.path not in self.known:
            self.known[seen.path] = super().answer(seen)
        return self.change(self.known[seen.path])


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    server = Recorded()
    yield server
    server.close()


@pytest.fixture(scope="module")
def client(recorded: Recorded) -> Iterator[GatewayClient]:
    hider = {"name": "hider", "type": "regex-hider", "config": HIDING}
    projects = [{"name": "hidden", "plugins": [hider]}]
    made = GatewayClient(json.dumps({"models": models_of(recorded.url), "projects": projects}))
    yield made
    made.close()


MODELS = [each["name"] for each in models_of("")]


def usual(client: GatewayClient, recorded: Recorded, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(model, path, body) for the models that have the endpoint; their usual replies are known then."""
    recorded.change = lambda reply: reply
    for model in MODELS:
        body = REQUESTS[path] if "{model}" in path else {**REQUESTS[path], "model": model}
        if client.post(path.format(model=model), body).status in (200, 400):
            yield model, path.format(model=model), body


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    caplog.clear()
    return found


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("path", REQUESTS)
def test_a_request(
    client: GatewayClient, recorded: Recorded, path: str, project: str, caplog: pytest.LogCaptureFixture
) -> None:
    tried = 0
    for number, (model, asked, body) in enumerate(usual(client, recorded, path)):
        for what, odd in odd_at_each_place(body, each=EACH, shift=number):
            answer = client.request("POST", PROJECTS[project] + asked, body=json.dumps(odd).encode())
            tried += 1
            # 502: the recorded reply is not one to the request as it is now.
            assert answer.status < 500 or answer.status == 502, f"{model}, {what}: {answer.status} {answer.text}"
            assert failures(caplog) == [], f"{model}, {what}"
    assert tried > 2


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("path", [path for path in REQUESTS if path not in NO_DOCUMENT])
def test_a_reply(
    client: GatewayClient, recorded: Recorded, path: str, project: str, caplog: pytest.LogCaptureFixture
) -> None:
    tried = 0
    for number, (model, asked, body) in enumerate(usual(client, recorded, path)):
        body = simple(body)
        recorded.last_path = ""
        if client.post(PROJECTS[project] + asked, body).status != 200 or not recorded.last_path:
            continue
        known = recorded.known[recorded.last_path]
        if known.status != 200 or isinstance(known.body, bytes):
            continue
        for what, odd in odd_at_each_place(known.body, each=EACH, shift=number):
            recorded.change = lambda reply, odd=odd: Reply(json.dumps(odd).encode(), 200, reply.headers)
            answer = client.post(PROJECTS[project] + asked, body)
            tried += 1
            assert answer.status in (200, 502), f"{model}, {what}: {answer.status} {answer.text}"
            assert failures(caplog) == [], f"{model}, {what}"
        recorded.change = lambda reply: reply
    assert tried > 2 or "ount" in path or "input_tokens" in path


def simple(body: dict[str, Any]) -> dict[str, Any]:
    """Without fields that some providers have no form for."""
    left_out = ("inputs", "images", "messages") if "input" in body or "texts" in body else ()
    kept = {key: value for key, value in body.items() if key not in left_out}
    if isinstance(kept.get("input"), list):
        kept["input"] = [each for each in kept["input"] if isinstance(each, str)] or kept["input"]
    return kept


@pytest.mark.parametrize("given", [0, 1, 3])
def test_each_text_has_its_vector(client: GatewayClient, recorded: Recorded, given: int) -> None:
    """Else a client takes the vectors of other texts for its own."""
    body = {"data": [{"index": place, "embedding": [0.5]} for place in range(given)]}
    recorded.change = lambda reply: Reply(body)
    texts = {"model": "vllm", "texts": ["x", "y"], "input_type": "search_query"}
    statuses = [
        client.post("/cohere/v2/embed", texts).status,
        client.post("/ollama/api/embed", {"model": "vllm", "input": ["x", "y"]}).status,
        client.post("/gemini/v1beta/models/vllm:embedContent", {"content": {"parts": [{"text": "x"}]}}).status,
    ]
    recorded.change = lambda reply: reply

    assert statuses == [502, 502, 200 if given == 1 else 502]
