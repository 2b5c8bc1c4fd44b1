"""What a translated reply loses is listed by the provider's names of the fields, whole and streamed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from llm_gateway.testing import gateway_client

SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [SEARCH, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}}],
    "stop_reason": "stop_sequence",
    "stop_sequence": "END",
    "usage": {"input_tokens": 3, "output_tokens": 2, "speed": "fast"},
}
START = {**MESSAGE, "content": [], "stop_reason": None, "stop_sequence": None}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": START},
    *(
        event
        for index, block in enumerate(MESSAGE["content"])
        for event in (
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_stop", "index": index},
        )
    ),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
]


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body, kind = json.dumps(MESSAGE), "application/json"
        if asked.get("stream"):
            body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS)
            kind = "text/event-stream"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_losses_of_a_reply_are_in_the_providers_terms(address: str, stream: bool) -> None:
    configuration = f"""
models:
- {{name: m, provider: {{type: anthropic, config: {{apiKey: k, baseUrl: "{address}"}}}}}}
"""
    with gateway_client(configuration) as gateway:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
        answer = gateway.post("/v1/chat/completions", body)

    assert answer.status == 200
    assert answer.context is not None
    assert {str(loss) for loss in answer.context.losses if loss.side == "response"} == {
        "dropped content[*] (server_tool_use of anthropic)",
        "dropped content[*].caller",
        "dropped stop_sequence",
        "dropped usage.speed",
    }
