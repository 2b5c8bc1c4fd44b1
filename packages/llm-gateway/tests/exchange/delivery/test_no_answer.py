"""A success without an answer in it is the provider's failure, also where provider and client speak the same API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from llm_gateway.testing import gateway_client

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
CLIENTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat": ("openai", "/v1/chat/completions", CHAT),
    "responses": ("openai", "/v1/responses", {"input": "Hello"}),
    "messages": ("anthropic", "/v1/messages", {"max_tokens": 10, **CHAT}),
    "gemini": (
        "gemini",
        "/v1beta/models/m:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    ),
}
WITHOUT: list[tuple[str, Any]] = [
    *((client, {}) for client in CLIENTS),
    ("chat", {"object": "chat.completion", "choices": []}),
    ("chat", {"object": "chat.completion", "choices": None}),
    ("responses", {"object": "response", "output": None}),
    ("messages", {"type": "message", "role": "assistant"}),
    ("gemini", {"candidates": [], "usageMetadata": {"promptTokenCount": 4}}),
]
WITH: list[tuple[str, Any]] = [
    ("messages", {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn"}),
    ("responses", {"object": "response", "status": "queued", "output": []}),
    ("gemini", {"promptFeedback": {"blockReason": "SAFETY"}}),
]


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = b"{}"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _ask(address: str, client: str, reply: Any, *, fallback: bool) -> Any:
    _Server.body = json.dumps(reply).encode()
    provider, path, body = CLIENTS[client]
    base = address if provider == "anthropic" else f"{address}/v1"
    api = ", api: both" if provider == "openai" else ""
    configuration = f"""
models:
- name: m
  isDefault: true
  provider: {{type: {provider}, config: {{apiKey: k, baseUrl: "{base}", retryAttempts: 1{api}}}}}
- {{name: spare, provider: {{type: echo, config: {{model: spare}}}}}}
"""
    if fallback:
        configuration += "plugins: [{name: r, type: model-router, config: {model: m, fallbacks: [spare]}}]\n"
    with gateway_client(configuration) as gateway:
        headers = {"anthropic-version": "2023-06-01"} if provider == "anthropic" else {}
        return gateway.post(path, {"model": "m", **body}, headers=headers)


@pytest.mark.parametrize(("client", "reply"), WITHOUT, ids=str)
def test_it_is_an_error_of_the_provider(address: str, client: str, reply: Any) -> None:
    answer = _ask(address, client, reply, fallback=False)

    assert answer.status == 502
    assert "The provider's reply is not what its API promises" in answer.text


@pytest.mark.parametrize(("client", "reply"), WITHOUT, ids=str)
def test_another_model_answers_in_its_place(address: str, client: str, reply: Any) -> None:
    answer = _ask(address, client, reply, fallback=True)

    assert answer.status == 200
    assert "Hello" in answer.text


@pytest.mark.parametrize(("client", "reply"), WITH, ids=str)
def test_an_empty_answer_is_an_answer(address: str, client: str, reply: Any) -> None:
    answer = _ask(address, client, reply, fallback=False)

    assert answer.status == 200
    assert answer.json() == reply
