"""How replies name the model: as the provider does, but for Messages clients that think, as they have asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from five_apis import DIALECTS
from served_gateway import ServedGateway

PATH = "/anthropic/v1/messages"
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def ask(gateway: ServedGateway, model: str, *, stream: bool, **more: Any) -> str:
    """The name of the model in the reply."""
    messages = [{"role": "user", "content": "think first"}]
    body = {"model": model, "messages": messages, "max_tokens": 4000, "stream": stream, **more}
    with gateway.http() as http:
        reply = http.post(PATH, json=body)
    if not stream:
        return str(reply.json()["model"])
    first = next(line for line in reply.text.splitlines() if line.startswith("data: "))
    return str(json.loads(first[6:])["message"]["model"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", DIALECTS)
def test_a_client_that_thinks_reads_the_name_that_it_asked_for(
    gateway: ServedGateway, model: str, stream: bool
) -> None:
    """Claude Code drops signed thinking of a model that it has not asked, and the provider then misses it."""
    assert ask(gateway, model, stream=stream, **THINKING) == model


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["anthropic", "openai_chat", "openai_responses"])
def test_others_read_the_providers_name(gateway: ServedGateway, model: str, stream: bool) -> None:
    assert ask(gateway, model, stream=stream) == f"{model}-model"


def test_nothing_but_the_name_is_changed(gateway: ServedGateway) -> None:
    messages = [{"role": "user", "content": "think first"}]
    body = {"model": "anthropic", "messages": messages, "max_tokens": 4000}
    with gateway.http() as http:
        renamed = http.post(PATH, json={**body, **THINKING}).text
        plain = http.post(PATH, json=body).text
        streams = [http.post(PATH, json={**body, **more, "stream": True}).text for more in (THINKING, {})]

    assert json.loads(renamed) == {**json.loads(plain), "model": "anthropic"}
    assert streams[0].replace('"anthropic"', '"anthropic-model"', 1) == streams[1]
