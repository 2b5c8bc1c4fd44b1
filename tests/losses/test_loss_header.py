"""What a translation loses, as a client sees it: in a header, or as a refusal where the project is strict."""

from __future__ import annotations

import re

import pytest
from asking import CLIENTS, error_of, post
from five_apis import DIALECTS, FiveApis
from served_gateway import ServedGateway

HEADER = "x-llm-gateway-losses"
PAIRS = [(client, model) for client in CLIENTS for model in DIALECTS if client != model]
each_pair = pytest.mark.parametrize(("client", "model"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_losses_are_in_a_header(gateway: ServedGateway, stream: bool) -> None:
    more = {"seed": 7, "temperature": 1.5, "logit_bias": {"50256": -100}}

    reply = post(gateway, "openai_chat", "anthropic", "Hello", stream=stream, **more)

    losses = reply.headers[HEADER].split("; ")
    assert "dropped seed" in losses
    assert "dropped logit_bias" in losses
    assert any(loss.startswith("clamped temperature") for loss in losses)
    assert any(loss.startswith("converted max_completion_tokens") for loss in losses)


@each_pair
def test_a_plain_request_loses_nothing(gateway: ServedGateway, client: str, model: str) -> None:
    losses = post(gateway, client, model, "Hello").headers.get(HEADER, "")

    assert not re.search(r"\b(dropped|clamped)\b(?! user)", losses.replace("clamped max_tokens", "")), losses


@pytest.mark.parametrize("model", DIALECTS)
def test_one_api_has_no_losses(gateway: ServedGateway, model: str) -> None:
    if model in CLIENTS:
        assert HEADER not in post(gateway, model, model, "Hello", unknown_field={"a": 1}).headers


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_strict_project_refuses_and_names_the_fields(gateway: ServedGateway, apis: FiveApis, stream: bool) -> None:
    before = len(apis.received)
    more = {"seed": 7, "temperature": 1.5, "max_tokens": 50}

    reply = post(gateway, "openai_chat", "anthropic", "Hello", stream=stream, project="/exact", **more)

    assert reply.status_code == 400
    assert reply.headers["x-llm-gateway-error-source"] == "gateway"
    message = error_of("openai_chat", reply.json())[2]
    assert "seed" in message
    assert "temperature" in message
    assert len(apis.received) == before, "the provider is not asked"


def test_losses_are_named_as_the_client_calls_the_fields(gateway: ServedGateway) -> None:
    config = {"topK": 5, "maxOutputTokens": 50, "stopSequences": ["a", "b", "c", "d", "e"]}

    reply = post(gateway, "gemini", "openai_chat", "Hello", generationConfig=config)

    losses = reply.headers[HEADER].split("; ")
    assert "dropped generationConfig.topK" in losses
    assert any(loss.startswith("clamped generationConfig.stopSequences") for loss in losses)


def test_a_refusal_names_the_field_as_the_client_calls_it(gateway: ServedGateway) -> None:
    reply = post(gateway, "gemini", "anthropic", "Hello", generationConfig={"candidateCount": 3})

    assert reply.status_code == 400
    assert "generationConfig.candidateCount" in error_of("gemini", reply.json())[2]


def test_a_strict_project_lets_conversions_pass(gateway: ServedGateway) -> None:
    reply = post(gateway, "openai_chat", "anthropic", "Hello", project="/exact")

    assert reply.status_code == 200
    assert "converted max_completion_tokens" in reply.headers[HEADER]


def test_a_strict_project_does_not_mind_within_one_api(gateway: ServedGateway) -> None:
    reply = post(gateway, "openai_chat", "openai_chat", "Hello", project="/exact", seed=7, logit_bias={"1": 2})

    assert reply.status_code == 200
    assert HEADER not in reply.headers


def test_a_long_list_is_cut_and_counted(gateway: ServedGateway) -> None:
    more = {f"a_field_with_a_long_name_{number}": number for number in range(80)}

    words = post(gateway, "openai_chat", "anthropic", "Hello", **more).headers[HEADER]

    assert len(words) <= 1024
    assert re.search(r"and \d+ more$", words)
