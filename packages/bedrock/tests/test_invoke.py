"""InvokeModel for Claude through a whole gateway, before a stand-in of Bedrock."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from llm_gateway_bedrock.eventstream import encode_message

from llm_gateway.testing import GatewayClient

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
WHOLE: dict[str, Any] = {
    "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": "Claude here"}],
    "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 2, "cache_creation": {"ephemeral_5m_input_tokens": 0}},
    "a_field_of_tomorrow": {"x": 1},
}  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**WHOLE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Claude here"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": WHOLE["usage"]},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 5}},
]


def framed(event: dict[str, Any]) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"}).encode()
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, payload)


class Bedrock(BaseHTTPRequestHandler):
    calls: list[tuple[str, dict[str, str], Any]] = []
    failure: tuple[int, str] | None = None
    ends_with: bytes = b""
    cut = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.calls.append((self.path, headers, body))
        if self.failure is not None:
            status, name = self.failure
            self.send(status, b'{"message": "it went wrong"}', {"x-amzn-errortype": f"{name}:http://x"})
        elif self.path.endswith("/count-tokens"):
            self.send(200, b'{"inputTokens": 33}')
        elif self.path.endswith("/invoke-with-response-stream"):
            events = EVENTS[:3] if self.ends_with else EVENTS
            data = b"".join(map(framed, events)) + self.ends_with
            self.send(200, data, {"content-type": "application/vnd.amazon.eventstream"})
        else:
            self.send(200, json.dumps(WHOLE).encode())

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), 100):
            self.wfile.write(body[start : start + 100])
            self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[GatewayClient]:
    Bedrock.calls.clear()
    Bedrock.failure, Bedrock.ends_with = None, b""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    config = {
        "baseUrl": f"http://127.0.0.1:{server.server_port}", "region": "eu-central-1", "api": "invoke",
        "accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "secret", "model": MODEL, "retryDelay": "1ms",
        "retryAttempts": 1,
    }  # fmt: skip
    model = {"name": "claude", "isDefault": True, "provider": {"type": "bedrock", "config": config}}
    with GatewayClient(json.dumps({"models": [model]})) as client:
        yield client
    server.shutdown()
    server.server_close()


def ask(gateway: GatewayClient, **more: Any) -> Any:
    body = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **more}
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07, a-beta"}
    return gateway.post("/v1/messages", body, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_messages_has_all_of_the_api(gateway: GatewayClient, stream: bool) -> None:
    answer = ask(gateway, stream=stream, context_management={"edits": []}, a_new_field=[1.50])

    path, headers, body = Bedrock.calls[-1]
    operation = "invoke-with-response-stream" if stream else "invoke"
    assert path == f"/model/{MODEL.replace(':', '%3A')}/{operation}"
    assert body == {
        "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "context_management": {"edits": []},
        "a_new_field": [1.5], "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["context-1m-2025-08-07", "a-beta"],
    }  # fmt: skip
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256")
    if stream:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.events == EVENTS
    else:
        assert answer.json() == WHOLE


@pytest.mark.parametrize("stream", [False, True])
def test_clients_of_other_apis_reach_it_too(gateway: GatewayClient, stream: bool) -> None:
    assert "Claude here" in gateway.chat("Hi", model="claude", stream=stream).text
    body = {"model": "claude", "input": "Hi", "stream": stream, "store": False}
    assert "Claude here" in gateway.post("/v1/responses", body).text


def test_tokens_are_counted(gateway: GatewayClient) -> None:
    body = {"model": "claude", "messages": [{"role": "user", "content": "Hi"}]}

    assert gateway.post("/v1/messages/count_tokens", body).json() == {"input_tokens": 33}
    sent = json.loads(base64.b64decode(Bedrock.calls[-1][2]["input"]["invokeModel"]["body"]))
    assert sent == {"messages": body["messages"], "anthropic_version": "bedrock-2023-05-31", "max_tokens": 1}


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "ValidationException", "invalid_request_error"),
        (429, "ThrottlingException", "rate_limit_error"),
        (403, "AccessDeniedException", "permission_error"),
        (503, "ServiceUnavailableException", "overloaded_error"),
        (500, "InternalServerException", "api_error"),
    ],
)
def test_errors_are_in_the_clients_shape(gateway: GatewayClient, status: int, name: str, kind: str) -> None:
    Bedrock.failure = status, name
    error = ask(gateway).json()

    assert (error["type"], error["error"]["type"]) == ("error", kind)
    assert "it went wrong" in error["error"]["message"]


def test_an_error_within_a_stream(gateway: GatewayClient) -> None:
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}
    Bedrock.ends_with = encode_message(headers, b'{"message": "slow down"}')
    events = ask(gateway, stream=True).events

    assert events[2]["delta"]["text"] == "Claude here"
    assert events[-1]["error"] == {"type": "rate_limit_error", "message": "slow down"}


def test_a_stream_that_can_not_be_read_is_an_error(gateway: GatewayClient) -> None:
    Bedrock.ends_with = b"not an event stream at all" * 10
    text = ask(gateway, stream=True).text

    assert "can't be read" in text
    assert "message_stop" not in text
