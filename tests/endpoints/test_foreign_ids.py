"""An id that one vendor has given names something at that vendor alone: it goes to no other, by any operation."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from endpoint_models import AWS
from served_gateway import ServedGateway
from vendors import Reply, Vendors

MARK = "mark0a1b2c3d"
"""In each id. Vendors' ids differ in what comes before."""
FILE, CONTAINER, STORE, RESPONSE, ITEM = (f"{kind}{MARK}" for kind in ("file-", "cntr_", "vs_", "resp_", "msg_"))
URI = f"https://generativelanguage.googleapis.com/v1beta/files/{MARK}"
PROVIDERS = {
    "openai": ("openai", "/v1", {"api": "responses"}),
    "chat": ("openai", "/v1", {"api": "chat"}),
    "anthropic": ("anthropic", "", {}),
    "gemini": ("gemini", "/v1beta", {}),
    "mistral": ("mistral", "/v1", {}),
    "ollama": ("ollama-native", "", {}),
    "bedrock": ("bedrock", "", AWS),
}
VENDORS = {
    "openai": {"openai", "chat", "mistral"},
    "anthropic": {"anthropic"},
    "gemini": {"gemini"},
    "bedrock": {"bedrock"},
}
"""By client: the providers of the same API. Whose an id is can't be seen there: each host of an API gives other ids."""


def chat(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, *parts]}], **more}


def responses(*parts: Any, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "hi"}, *parts]
    return {"input": [{"type": "message", "role": "user", "content": content}], **more}


def messages(*blocks: Any, **more: Any) -> dict[str, Any]:
    return chat(*blocks, max_tokens=9, **more)


def contents(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "hi"}, *parts]}], **more}


def converse(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "hi"}, *blocks]}]}


S3 = {"s3Location": {"uri": f"s3://bucket/{MARK}"}}
BODIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat file": ("openai", "/openai/v1/chat/completions", chat({"type": "file", "file": {"file_id": FILE}})),
    "responses file": ("openai", "/openai/v1/responses", responses({"type": "input_file", "file_id": FILE})),
    "responses image": ("openai", "/openai/v1/responses", responses({"type": "input_image", "file_id": FILE})),
    "responses container": (
        "openai",
        "/openai/v1/responses",
        responses(tools=[{"type": "code_interpreter", "container": CONTAINER}]),
    ),
    "responses container files": (
        "openai",
        "/openai/v1/responses",
        responses(tools=[{"type": "code_interpreter", "container": {"type": "auto", "file_ids": [FILE]}}]),
    ),
    "responses stores": (
        "openai",
        "/openai/v1/responses",
        responses(tools=[{"type": "file_search", "vector_store_ids": [STORE]}]),
    ),
    "responses prompt": ("openai", "/openai/v1/responses", responses(prompt={"id": f"pmpt_{MARK}"})),
    "responses mask": (
        "openai",
        "/openai/v1/responses",
        responses(tools=[{"type": "image_generation", "input_image_mask": {"file_id": FILE}}]),
    ),
    "responses previous": ("openai", "/openai/v1/responses", responses(previous_response_id=RESPONSE)),
    "responses item": ("openai", "/openai/v1/responses", {"input": [{"type": "item_reference", "id": ITEM}]}),
    "responses conversation": ("openai", "/openai/v1/responses", responses(conversation=f"conv_{MARK}")),
    "messages document": (
        "anthropic",
        "/anthropic/v1/messages",
        messages({"type": "document", "source": {"type": "file", "file_id": FILE}}),
    ),
    "messages image": (
        "anthropic",
        "/anthropic/v1/messages",
        messages({"type": "image", "source": {"type": "file", "file_id": FILE}}),
    ),
    "messages upload": (
        "anthropic",
        "/anthropic/v1/messages",
        messages({"type": "container_upload", "file_id": FILE}),
    ),
    "messages container": ("anthropic", "/anthropic/v1/messages", messages(container=f"container_{MARK}")),
    "gemini file": (
        "gemini",
        "/gemini/v1beta/models/{model}:generateContent",
        contents({"fileData": {"fileUri": URI, "mimeType": "application/pdf"}}),
    ),
    "gemini cache": (
        "gemini",
        "/gemini/v1beta/models/{model}:generateContent",
        contents(cachedContent=f"cachedContents/{MARK}"),
    ),
    "converse document": (
        "bedrock",
        "/bedrock/model/{model}/converse",
        converse({"document": {"format": "pdf", "name": "d", "source": S3}}),
    ),
    "converse image": (
        "bedrock",
        "/bedrock/model/{model}/converse",
        converse({"image": {"format": "png", "source": S3}}),
    ),
}
OPERATIONS: dict[str, tuple[str, ...]] = {
    "openai": ("whole", "stream", "count", "batch"),
    "anthropic": ("whole", "stream", "count", "batch"),
    "gemini": ("whole", "stream", "count", "batch"),
    "bedrock": ("whole", "stream", "count"),
}
CASES = [
    (name, operation)
    for name, (client, path, _) in BODIES.items()
    for operation in OPERATIONS[client]
    if not (operation == "count" and "chat" in path)
]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendors]:
    """Refuses everything, so that nothing but what was sent matters."""
    server = Vendors()
    server.routes = [(".*", lambda seen: Reply({"error": {"message": "no", "type": "invalid_request_error"}}, 400))]
    yield server
    server.close()


@pytest.fixture(scope="module")
def served(vendor: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    models = [
        {"name": name, "provider": {"type": kind, "config": {
            "baseUrl": vendor.url + base, "model": f"{name}-model", "retryAttempts": 1, **more,
            **({} if kind == "bedrock" else {"apiKey": "k"}),
        }}}
        for name, (kind, base, more) in PROVIDERS.items()
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("foreign")
    gateway = ServedGateway({"models": models, "store": {"url": f"sqlite:{folder}/state.db"}}, folder)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def http(served: ServedGateway) -> Iterator[httpx.Client]:
    with served.http(headers={"authorization": "Bearer k", "x-api-key": "k", "x-goog-api-key": "k"}) as client:
        yield client


def ask(http: httpx.Client, name: str, operation: str, model: str) -> int:
    client, path, body = BODIES[name]
    body = copy.deepcopy(body)
    if "{model}" not in path:
        body["model"] = model
    path = path.replace("{model}", model)
    if operation == "batch":
        return submit(http, client, path, body, model)
    if operation == "stream":
        path = path.replace(":generate", ":streamGenerate").replace("/converse", "/converse-stream")
        if client in ("openai", "anthropic"):
            body["stream"] = True
    elif operation == "count":
        path, body = counted(client, path, body, model)
    return http.post(path, json=body).status_code


def counted(client: str, path: str, body: dict[str, Any], model: str) -> tuple[str, dict[str, Any]]:
    if client == "openai":
        return f"{path}/input_tokens", body
    if client == "anthropic":
        body.pop("max_tokens")
        return f"{path}/count_tokens", body
    if client == "gemini":
        asked = {"generateContentRequest": {"model": f"models/{model}", **body}}
        return path.replace(":generateContent", ":countTokens"), asked
    return path.replace("/converse", "/count-tokens"), {"input": {"converse": body}}


def submit(http: httpx.Client, client: str, path: str, body: dict[str, Any], model: str) -> int:
    if client == "anthropic":
        asked = {"requests": [{"custom_id": "a", "params": body}]}
        return http.post("/anthropic/v1/messages/batches", json=asked).status_code
    if client == "gemini":
        requests = {"requests": {"requests": [{"request": body, "metadata": {"key": "a"}}]}}
        asked = {"batch": {"displayName": "b", "inputConfig": requests}}
        return http.post(f"/gemini/v1beta/models/{model}:batchGenerateContent", json=asked).status_code
    url = path.removeprefix("/openai")
    line = json.dumps({"custom_id": "a", "method": "POST", "url": url, "body": body})
    made = http.post("/openai/v1/files", files={"file": ("a.jsonl", line)}, data={"purpose": "batch"})
    if made.status_code != 200:
        return made.status_code
    asked = {"input_file_id": made.json()["id"], "endpoint": url, "completion_window": "24h"}
    return http.post("/openai/v1/batches", json=asked).status_code


@pytest.mark.parametrize(("name", "operation"), CASES)
def test_an_id_goes_to_no_other_vendor(http: httpx.Client, vendor: Vendors, name: str, operation: str) -> None:
    for model in PROVIDERS.keys() - VENDORS[BODIES[name][0]]:
        before = len(vendor.seen)

        ask(http, name, operation, model)

        sent = [each for each in vendor.seen[before:] if MARK.encode() in each.raw + each.path.encode()]
        assert not sent, f"{model}: {sent[0].method} {sent[0].path} {sent[0].raw.decode(errors='replace')[:300]}"


@pytest.mark.parametrize("name", BODIES)
def test_and_to_that_it_goes(http: httpx.Client, vendor: Vendors, name: str) -> None:
    before, client = len(vendor.seen), BODIES[name][0]

    ask(http, name, "whole", "chat" if "chat" in name else client)

    assert any(MARK.encode() in each.raw for each in vendor.seen[before:])
