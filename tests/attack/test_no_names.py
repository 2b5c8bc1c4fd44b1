"""A text in the place of a model's name, an id or a word of the API: it reaches no provider and no record."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from under_attack import PATHS, Attacked, Provider, answering, asking, model

SECRET = "ann4711@patients.example"
DIALECTS = ("chat", "responses", "anthropic", "gemini")
WITH_FORMS: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"input": "hello"},
    "/v1/moderations": {"input": "hello"},
    "/v1/images/generations": {"prompt": "a cat"},
    "/v1/audio/speech": {"input": "hello", "voice": "alloy"},
    "/api/embed": {"input": "hello"},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "hello"}]},
}
IDS: dict[str, tuple[str, dict[str, Any]]] = {
    "role": ("responses", {"input": [{"role": SECRET, "content": "hello"}]}),
    "type of an item": ("responses", {"input": [{"type": SECRET, "content": "hello"}]}),
    "item": ("responses", {"input": [{"type": "item_reference", "id": SECRET}]}),
    "response": ("responses", {"previous_response_id": SECRET}),
    "conversation": ("responses", {"conversation": SECRET}),
    "file": ("chat", {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": SECRET}}]}]}),
    "item that Chat has not": ("chat", {"messages": [{"type": SECRET, "content": "hello"}]}),
    "choice of a tool": ("chat", {"tool_choice": {"type": "function", "function": {"name": SECRET}}}),
    "quotation marks": ("responses", {"previous_response_id": f"it's ' {SECRET} 'x"}),
}


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide(answering("fine"))


@pytest.fixture(scope="module")
def gateway(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    """One model for each API, which asks its provider for whatever name it is asked for."""
    models = [model(dialect, provider.url, dialect) | {"aliases": [f"ann*{dialect}"]} for dialect in DIALECTS]
    for each in models:
        del each["provider"]["config"]["model"]
    models[0]["isDefault"] = True
    tracer = {"clickhouse": {"url": "http://127.0.0.1:9"}, "spool": {"path": "spool", "sending": "normal"}}
    return attack(
        {
            "models": models,
            "plugins": [
                {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": r"ann\d+@\S+"}]}},
                {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["key-of-a-test-1234"]}},
                {"name": "log", "type": "logger", "config": {"level": "debug"}},
                {"name": "trace", "type": "clickhouse-tracer", "config": {**tracer, "flushInterval": 100}},
            ],
            "logging": {"level": "debug"},
        }
    )


def post(gateway: Attacked, path: str, body: dict[str, Any]) -> Any:
    return gateway.http.post(path, json=body, headers={"authorization": "Bearer key-of-a-test-1234"})


def records(gateway: Attacked, last: str) -> str:
    """Log and spool, after a request of this user."""
    assert post(gateway, PATHS["chat"], {**asking("chat", name="chat"), "user": last}).status_code == 200

    def spooled() -> str:
        files = [file for file in (gateway.folder / "spool").rglob("*") if file.is_file()]
        return "\n".join(file.read_text(errors="replace") for file in files)

    assert gateway.wait_for(lambda: last in spooled())
    time.sleep(0.2)
    return gateway.log + spooled()


def test_a_text_in_the_place_of_a_models_name_goes_nowhere(gateway: Attacked, provider: Provider) -> None:
    statuses = []
    for name in (SECRET, *(f"{SECRET}-{dialect}" for dialect in DIALECTS), f"a model for {SECRET}"):
        for client in DIALECTS:
            for stream in (False, True):
                path = PATHS["gemini stream" if stream and client == "gemini" else client].replace("/m:", f"/{name}:")
                statuses.append(post(gateway, path, asking(client, name=name, stream=stream)).status_code)
        statuses += [post(gateway, path, {**body, "model": name}).status_code for path, body in WITH_FORMS.items()]

    assert set(statuses) == {404}
    assert SECRET not in provider.texts()
    kept = records(gateway, "first-user")
    assert SECRET not in kept
    assert "its name has characters" in kept


def test_a_text_in_the_place_of_an_id_or_a_word_is_recorded_nowhere(gateway: Attacked, provider: Provider) -> None:
    refused = 0
    for client, more in IDS.values():
        for name in DIALECTS:
            reply = post(gateway, PATHS[client], {**asking(client, name=name), **more})
            refused += reply.status_code in (400, 404)

    assert refused > 20
    assert SECRET not in provider.texts()
    assert SECRET not in records(gateway, "second-user")


@pytest.mark.parametrize(
    "name",
    ["claude-3-5-sonnet@20240620", "gemini@latest", "qwen@q4_k_m", "@cf/vendor/a.model", "vendor/a.model:free", "chat"],
)
def test_the_name_of_a_model_goes_on(name: str, gateway: Attacked, provider: Provider) -> None:
    assert post(gateway, PATHS["chat"], asking("chat", name=name)).status_code == 200
    assert name in provider.texts()
