"""Routes, headers, CORS, models, health: what an operator and a client see of HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from official_clients import CLIENTS, Question, ask
from scripted_upstream import ScriptedUpstream
from served_gateway import ServedGateway, model, new_request_id

ASK = {"model": "chat", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
ASK_RESPONSES = {"model": "chat", "input": "Hello"}


@pytest.fixture(scope="module")
def surface(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    """A default project, one with a key, and CORS for one origin."""
    key = {"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": ["right-key"]}}
    chat = model("chat", "openai", baseUrl=f"{upstream.url}/v1")
    return serve(  # type: ignore[no-any-return]
        {
            "server": {"cors": {"enabled": True, "origins": ["https://app.example.com"]}},
            "models": [
                {**chat, "isDefault": True, "aliases": ["gpt-4o", "claude-*"], "description": "The one for chats."},
                model("messages", "anthropic", baseUrl=upstream.url),
            ],
            "projects": [{"name": "guarded", "plugins": [key]}],
        }
    )


GENERATION = [
    ("/openai/v1/chat/completions", ASK),
    ("/openai/chat/completions", ASK),
    ("/openai/v1/responses", ASK_RESPONSES),
    ("/anthropic/v1/messages", ASK),
    ("/v1/chat/completions", ASK),
    ("/v1/messages", ASK),
    ("/v1/responses", ASK_RESPONSES),
]
READING = ["/openai/v1/models", "/anthropic/v1/models", "/v1/models", "/openai/v1/models/chat"]


@pytest.mark.parametrize(("path", "body"), GENERATION, ids=lambda part: part if isinstance(part, str) else "")
def test_each_path_answers_with_and_without_a_project(surface: ServedGateway, path: str, body: dict[str, Any]) -> None:
    with surface.http() as http:
        bare = http.post(path, json=body)
        in_project = http.post(f"/guarded{path}", json=body, headers={"x-api-key": "right-key"})

    assert (bare.status_code, in_project.status_code) == (200, 200)
    assert "upstream heard: Hello" in bare.text
    assert "upstream heard: Hello" in in_project.text


@pytest.mark.parametrize(("path", "body"), GENERATION, ids=lambda part: part if isinstance(part, str) else "")
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}], ids=str)
def test_the_key_guards_each_path_that_generates(
    surface: ServedGateway, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    with surface.http() as http:
        assert http.post(f"/guarded{path}", json=body, headers=headers).status_code == 401


@pytest.mark.parametrize("path", READING)
def test_the_key_guards_each_path_that_reads(surface: ServedGateway, path: str) -> None:
    with surface.http() as http:
        assert http.get(f"/guarded{path}").status_code == 401
        assert http.get(f"/guarded{path}", headers={"authorization": "Bearer right-key"}).status_code == 200


def test_the_key_guards_counting_and_embedding(surface: ServedGateway) -> None:
    with surface.http() as http:
        counting = http.post("/guarded/anthropic/v1/messages/count_tokens", json=ASK)
        embedding = http.post("/guarded/openai/v1/embeddings", json={"model": "chat", "input": "Hello"})

    assert (counting.status_code, embedding.status_code) == (401, 401)


def test_models_are_listed_for_each_sdk_in_its_own_shape(surface: ServedGateway) -> None:
    of_openai = list(surface.openai().models.list())
    of_anthropic = list(surface.anthropic().models.list())

    assert [each.id for each in of_openai] == ["chat", "gpt-4o", "messages"]
    assert [each.id for each in of_anthropic] == ["chat", "gpt-4o", "messages"]
    assert of_anthropic[0].type == "model"
    assert surface.openai().models.retrieve("gpt-4o").object == "model"
    assert surface.anthropic().models.retrieve("chat").display_name == "The one for chats."


@pytest.mark.parametrize("adapter", ["", "/openai"])
def test_the_openai_sdk_needs_only_its_base_url_changed(surface: ServedGateway, adapter: str) -> None:
    client = surface.openai("/guarded", adapter=adapter, api_key="right-key")

    reply = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])

    assert reply.choices[0].message.content == "upstream heard: Hello"


@pytest.mark.parametrize("adapter", ["", "/anthropic"])
def test_the_anthropic_sdk_needs_only_its_base_url_changed(surface: ServedGateway, adapter: str) -> None:
    client = surface.anthropic("/guarded", adapter=adapter, api_key="right-key")
    messages: Any = [{"role": "user", "content": "Hello"}]

    reply = client.messages.create(model="claude-of-tomorrow", max_tokens=50, messages=messages)

    assert reply.content[0].text == "upstream heard: Hello"  # type: ignore[union-attr]


def test_tokens_are_counted_for_the_anthropic_sdk(surface: ServedGateway) -> None:
    messages: Any = [{"role": "user", "content": "How many tokens are these?"}]

    counted = surface.anthropic().messages.count_tokens(model="chat", messages=messages)

    assert 3 <= counted.input_tokens <= 40


def test_a_request_id_is_taken_returned_and_passed_on(surface: ServedGateway, upstream: ScriptedUpstream) -> None:
    request_id = new_request_id()
    with surface.http() as http:
        reply = http.post("/v1/chat/completions", json=ASK, headers={"x-request-id": request_id})

    assert reply.headers["x-request-id"] == request_id
    assert len(upstream.received(request_id)) == 1


def test_a_request_id_is_made_where_there_is_none(surface: ServedGateway, upstream: ScriptedUpstream) -> None:
    with surface.http() as http:
        first, second = (http.post("/v1/chat/completions", json=ASK).headers["x-request-id"] for _ in range(2))
        refused = http.post("/nowhere", json=ASK).headers["x-request-id"]

    assert len({first, second, refused}) == 3
    assert len(upstream.received(first)) == 1


@pytest.mark.parametrize(("asked", "answered"), [("chat", "chat"), ("gpt-4o", "chat"), ("messages", "messages")])
def test_a_reply_names_which_model_answered(surface: ServedGateway, asked: str, answered: str) -> None:
    with surface.http() as http:
        reply = http.post("/v1/chat/completions", json={**ASK, "model": asked})

    assert reply.headers["x-llm-gateway-model"] == answered


def test_pages_of_the_allowed_origin_may_call(surface: ServedGateway) -> None:
    asking = {
        "origin": "https://app.example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    with surface.http() as http:
        preflight = http.options("/guarded/v1/chat/completions", headers=asking)
        reply = http.post("/v1/chat/completions", json=ASK, headers={"origin": "https://app.example.com"})
        refused = http.post("/guarded/v1/chat/completions", json=ASK, headers={"origin": "https://app.example.com"})

    assert preflight.status_code in (200, 204)
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert reply.headers["access-control-allow-origin"] == "https://app.example.com"
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example.com", "or the page can't read why"


def test_pages_of_another_origin_may_not(surface: ServedGateway) -> None:
    asking = {"origin": "https://evil.example.com", "access-control-request-method": "POST"}
    with surface.http() as http:
        preflight = http.options("/v1/chat/completions", headers=asking)
        reply = http.post("/v1/chat/completions", json=ASK, headers={"origin": "https://evil.example.com"})

    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in reply.headers


def test_no_page_may_call_unless_it_is_configured(gateway: ServedGateway) -> None:
    with gateway.http() as http:
        reply = http.post("/v1/chat/completions", json=ASK, headers={"origin": "https://app.example.com"})

    assert not any(name.startswith("access-control-") for name in reply.headers)


def test_health_is_reported_without_a_key(surface: ServedGateway) -> None:
    with surface.http() as http:
        replies = [http.get(path) for path in ("/health", "/health/live", "/health/ready")]

    assert [reply.status_code for reply in replies] == [200, 200, 200]


def test_an_unknown_project_is_not_found(surface: ServedGateway) -> None:
    with surface.http() as http:
        reply = http.post("/nobody/openai/v1/chat/completions", json=ASK)

    assert reply.status_code == 404
    assert reply.json()["error"]["message"]


def test_a_compressed_body_is_read(surface: ServedGateway) -> None:
    import gzip
    import json

    with surface.http() as http:
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        reply = http.post("/v1/chat/completions", content=gzip.compress(json.dumps(ASK).encode()), headers=headers)

    assert reply.status_code == 200
    assert "upstream heard: Hello" in reply.text


@pytest.mark.parametrize("client", CLIENTS)
def test_credentials_of_the_caller_do_not_travel_on(
    surface: ServedGateway, upstream: ScriptedUpstream, client: str
) -> None:
    request_id = new_request_id()
    headers = {"x-request-id": request_id, "cookie": "session=secret-cookie"}

    ask(surface, client, Question("Hello"), project="/guarded", key="right-key", headers=headers)

    sent = str(upstream.received(request_id)[0].headers)
    assert "right-key" not in sent
    assert "secret-cookie" not in sent
