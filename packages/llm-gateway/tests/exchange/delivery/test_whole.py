"""A server that streams whatever was asked for, and calls its stream a document."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from llm_gateway.testing import gateway_client


def _chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(body)}\n\n"


WHOLE = _chunk({"role": "assistant", "content": "Hello "}) + _chunk({"content": "there."}) + _chunk({}, "stop")
DONE = "data: [DONE]\n\n"


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body, kind = "", ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", self.kind)
        self.send_header("content-length", str(len(self.body.encode())))
        self.end_headers()
        self.wfile.write(self.body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def _ask(address: str, client: str, body: str, kind: str) -> Any:
    _Server.body, _Server.kind = body, kind
    configuration = f"""
models: [{{name: m, provider: {{type: openai, config: {{apiKey: k, baseUrl: "{address}", retryAttempts: 1}}}}}}]
"""
    path = "/v1/messages" if client == "messages" else "/v1/chat/completions"
    with gateway_client(configuration) as gateway:
        asked = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
        return gateway.post(path, asked)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize("before", ["", "\n", ": hello\n\n"], ids=["at once", "blank", "comment"])
def test_it_is_read_where_it_is_complete(address: str, client: str, kind: str, before: str) -> None:
    answer = _ask(address, client, before + WHOLE + DONE, kind)

    assert answer.status == 200
    words = answer.json()
    if client == "chat":
        assert words["object"] == "chat.completion"
        assert words["choices"][0]["message"]["content"] == "Hello there."
    else:
        assert words["content"] == [{"type": "text", "text": "Hello there."}]


@pytest.mark.parametrize(
    "body", [_chunk({"content": "Hel"}), 'data: {"error": {"message": "boom"}}\n\n', "data: x\n\n"]
)
@pytest.mark.parametrize("client", ["chat", "messages"])
def test_a_stream_that_is_not_is_an_error_of_the_provider(address: str, client: str, body: str) -> None:
    answer = _ask(address, client, body, "application/json")

    assert answer.status >= 500
    assert "error" in answer.json()
