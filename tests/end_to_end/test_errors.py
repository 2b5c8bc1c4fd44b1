"""The official SDKs raise their right exception, whatever failed and whatever API the provider speaks."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from official_clients import CLIENTS, Question, ask
from scripted_upstream import ScriptedUpstream
from served_gateway import ServedGateway, model

PROVIDERS = ["chat", "messages", "responses"]
EXCEPTIONS: dict[int, tuple[type[Exception], type[Exception]]] = {
    400: (openai.BadRequestError, anthropic.BadRequestError),
    401: (openai.AuthenticationError, anthropic.AuthenticationError),
    403: (openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    404: (openai.NotFoundError, anthropic.NotFoundError),
    422: (openai.UnprocessableEntityError, anthropic.UnprocessableEntityError),
    429: (openai.RateLimitError, anthropic.RateLimitError),
    500: (openai.InternalServerError, anthropic.InternalServerError),
    503: (openai.InternalServerError, anthropic.InternalServerError),
    529: (openai.InternalServerError, anthropic.InternalServerError),
}

each_client = pytest.mark.parametrize("client", CLIENTS)
streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def expected(status: int, client: str) -> type[Exception]:
    return EXCEPTIONS[status][client == "anthropic"]


@pytest.fixture(scope="module")
def failing(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    """Models whose provider can't be reached, is silent, or breaks off; one project with a key, one that is strict."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    url = f"{upstream.url}/v1"
    return serve(  # type: ignore[no-any-return]
        {
            "server": {"limits": {"maxBodyBytes": 20_000}},
            "models": [
                {**model("chat", "openai", baseUrl=url, api="chat"), "isDefault": True},
                model("messages", "anthropic", baseUrl=upstream.url),
                model("closed", "openai", baseUrl=closed),
                model("silent", "openai", baseUrl=url, timeout=300),
                model("quiet", "openai", baseUrl=url, firstTokenTimeout=300),
                model("lost", "openai", baseUrl=f"{upstream.url}/nowhere"),
            ],
            "projects": [
                {
                    "name": "guarded",
                    "plugins": [{"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": ["right-key"]}}],
                },
                {"name": "exact", "strictModels": True},
            ],
        }
    )


@each_client
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", EXCEPTIONS)
@streamed_or_not
def test_what_a_provider_answers_is_raised(
    gateway: ServedGateway, client: str, provider: str, status: int, stream: bool
) -> None:
    with pytest.raises(expected(status, client)) as raised:
        ask(gateway, client, Question(f"fail {status}", model=provider), stream=stream)

    assert f"upstream said {status}" in str(raised.value)
    assert raised.value.response.headers["x-llm-gateway-error-source"] == "upstream"  # type: ignore[attr-defined]
    assert raised.value.response.headers["retry-after"] == "1"  # type: ignore[attr-defined]


@each_client
@streamed_or_not
def test_an_unreachable_provider_is_a_server_error(failing: ServedGateway, client: str, stream: bool) -> None:
    with pytest.raises(expected(500, client)) as raised:
        ask(failing, client, Question("Hello", model="closed"), stream=stream)

    assert raised.value.status_code == 502  # type: ignore[attr-defined]


@each_client
@streamed_or_not
def test_a_silent_provider_is_a_timeout(failing: ServedGateway, client: str, stream: bool) -> None:
    with pytest.raises((openai.InternalServerError, anthropic.APIStatusError)) as raised:
        ask(failing, client, Question("hang", model="silent"), stream=stream)

    assert raised.value.status_code == 504


@each_client
def test_a_stream_that_does_not_begin_is_a_timeout(failing: ServedGateway, client: str) -> None:
    with pytest.raises((openai.InternalServerError, anthropic.APIStatusError)) as raised:
        ask(failing, client, Question("hang", model="quiet"), stream=True)

    assert raised.value.status_code == 504


@each_client
def test_a_wrong_path_at_the_provider_is_not_found(failing: ServedGateway, client: str) -> None:
    with pytest.raises(expected(404, client)):
        ask(failing, client, Question("Hello", model="lost"))


@each_client
@pytest.mark.parametrize("provider", ["chat", "messages", "responses"])
def test_a_stream_that_breaks_off_is_not_taken_for_whole(gateway: ServedGateway, client: str, provider: str) -> None:
    with pytest.raises((openai.OpenAIError, anthropic.AnthropicError, RuntimeError, AssertionError)):
        ask(gateway, client, Question("cut this answer short", model=provider), stream=True)


@each_client
@pytest.mark.parametrize("key", ["wrong-key", "right-key "])
@streamed_or_not
def test_a_wrong_key_is_refused_in_the_clients_words(
    failing: ServedGateway, client: str, key: str, stream: bool
) -> None:
    with pytest.raises(expected(401, client)) as raised:
        ask(failing, client, Question("Hello"), project="/guarded", key=key.strip() + "!", stream=stream)

    assert raised.value.response.headers["x-llm-gateway-error-source"] == "gateway"  # type: ignore[attr-defined]


@each_client
@streamed_or_not
def test_the_right_key_is_served(failing: ServedGateway, client: str, stream: bool) -> None:
    answer = ask(failing, client, Question("Hello"), project="/guarded", key="right-key", stream=stream)

    assert answer.text == "upstream heard: Hello"


@each_client
def test_an_unknown_model_is_not_found_where_names_are_strict(failing: ServedGateway, client: str) -> None:
    with pytest.raises(expected(404, client)) as raised:
        ask(failing, client, Question("Hello", model="gpt-99"), project="/exact")

    assert "gpt-99" in str(raised.value)
    assert "messages" in str(raised.value), "it names the models that there are"


@each_client
def test_an_unknown_model_is_answered_by_the_default_elsewhere(failing: ServedGateway, client: str) -> None:
    assert ask(failing, client, Question("Hello", model="gpt-99")).text == "upstream heard: Hello"


@each_client
def test_a_body_beyond_the_limit_is_refused(failing: ServedGateway, client: str) -> None:
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as raised:
        ask(failing, client, Question("x" * 30_000))

    assert raised.value.status_code == 413
    if client == "anthropic":
        assert isinstance(raised.value, anthropic.RequestTooLargeError)


ENDPOINTS = {
    "openai chat": "/openai/v1/chat/completions",
    "openai responses": "/openai/v1/responses",
    "anthropic": "/anthropic/v1/messages",
}
MALFORMED = {
    "no JSON": b"{model: x",
    "cut JSON": b'{"model": "chat", "messages": [',
    "no object": b"[1, 2]",
    "nothing": b"",
    "no UTF-8": b'{"model": "\xff\xfe"}',
    "a string for messages": b'{"model": "chat", "messages": "hello", "input": 7, "max_tokens": 5}',
    "a number for a message": b'{"model": "chat", "messages": [5], "input": [5], "max_tokens": 5}',
    "a list for the model": b'{"model": ["chat"], "messages": [], "input": [], "max_tokens": 5}',
}


@each_client
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_a_request_is_refused_in_the_shape_of_the_api(
    gateway: ServedGateway, client: str, body: bytes
) -> None:
    with gateway.http() as http:
        # The provider speaks another API, so that the gateway must read what it is given.
        other = b"chat" if client == "anthropic" else b"messages"
        body = body.replace(b'"chat"', b'"' + other + b'"')
        reply = http.post(ENDPOINTS[client], content=body, headers={"content-type": "application/json"})

    assert reply.status_code == 400
    assert_error_shape(client, reply.json())


def assert_error_shape(client: str, body: dict[str, Any]) -> None:
    error = body["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    if client == "anthropic":
        assert body["type"] == "error"
        assert isinstance(error["type"], str)
    else:
        assert {"message", "type", "param", "code"} <= error.keys()


@each_client
def test_unknown_paths_and_methods_are_refused_in_the_shape_of_the_api(gateway: ServedGateway, client: str) -> None:
    with gateway.http() as http:
        wrong_method = http.delete(ENDPOINTS[client])
        unknown = http.post(ENDPOINTS[client] + "/nothing/here", json={})

    assert wrong_method.status_code == 405
    # Responses has a way by WebSocket too, which begins as a GET.
    assert wrong_method.headers["allow"] == ("GET, POST" if client == "openai responses" else "POST")
    assert_error_shape(client, wrong_method.json())
    assert unknown.status_code == 404
    assert_error_shape(client, unknown.json())


@pytest.fixture(scope="module")
def lines_of_a_cut_stream(gateway: ServedGateway) -> Iterator[list[str]]:
    with gateway.http() as http:
        body = {"model": "messages", "stream": True, "messages": [{"role": "user", "content": "cut this answer short"}]}
        yield http.post(ENDPOINTS["openai chat"], json=body).text.splitlines()


def test_a_broken_stream_ends_in_an_error_event(lines_of_a_cut_stream: list[str]) -> None:
    events = [line.removeprefix("data: ") for line in lines_of_a_cut_stream if line.startswith("data: ")]
    errors = [json.loads(event)["error"] for event in events if "error" in event]

    assert len(errors) == 1
    assert not any('"finish_reason":"stop"' in event for event in events)
