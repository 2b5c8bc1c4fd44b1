"""SageMaker endpoints: a stand-in of the service that checks each signature, with a gateway before it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]
from llm_gateway_bedrock.eventstream import encode_message

from llm_gateway.testing import GatewayClient

CONFIG = """
models:
  - name: llama
    isDefault: true
    provider:
      type: sagemaker
      config: {baseUrl: "URL", region: eu-central-1, accessKeyId: AKID, secretAccessKey: secret, model: my endpoint,
               retryAttempts: 1, inferenceComponent: part-1}
"""


class Endpoint(BaseHTTPRequestHandler):
    """Answers as it is asked to; `fail` is refused by the container, `break` breaks off within the stream."""

    received: list[tuple[str, dict[str, str], Any]]

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(data)
        self.received.append((self.path, headers, body))
        if not is_signed(f"http://{headers['host']}{self.path}", headers, data):
            return self.answer(403, {"message": "The request signature we calculated does not match."})
        text = body["messages"][-1]["content"]
        if "fail" in text:
            original = {"error": {"message": "too many tokens", "type": "BadRequestError"}}
            refused = {
                "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
                "OriginalStatusCode": 400,
                "Message": "Received client error",
                "OriginalMessage": json.dumps(original),
            }
            return self.answer(424, refused)
        if self.path.endswith("-response-stream"):
            return self.stream(text)
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        message = {"role": "assistant", "content": f"heard: {text}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return self.answer(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "llama",
                                 "choices": [choice], "usage": usage})  # fmt: skip

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, text: str) -> None:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "llama"}
        events = b""
        for word in ("heard: ", text):
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            events += b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        events += b"data: " + json.dumps({**chunk, "choices": [end]}).encode() + b"\n\ndata: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("connection", "close")
        self.end_headers()
        part = {":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event"}
        for start in range(0, len(events), 41):  # the service cuts anywhere
            if "break" in text and start > 200:
                broken = {":exception-type": "ModelStreamError", ":message-type": "exception"}
                self.wfile.write(encode_message(broken, b'{"Message": "the container died"}'))
                break
            self.wfile.write(encode_message(part, events[start : start + 41]))
        self.close_connection = True


def is_signed(url: str, headers: dict[str, str], body: bytes) -> bool:
    """Signed again by AWS's library, over the headers that the signature names."""
    _, _, rest = headers["authorization"].partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split(", "))
    names = fields["SignedHeaders"].split(";")
    request = AWSRequest("POST", url, {name: headers[name] for name in names if name != "host"}, body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(ReadOnlyCredentials("AKID", "secret", None), "sagemaker", "eu-central-1")
    again = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return bool(again == fields["Signature"])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ThreadingHTTPServer]:
    Endpoint.received = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def gateway(endpoint: ThreadingHTTPServer) -> Iterator[GatewayClient]:
    with GatewayClient(CONFIG.replace("URL", f"http://127.0.0.1:{endpoint.server_port}")) as client:
        yield client


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "llama", "messages": [{"role": "user", "content": text}], "max_tokens": 9, **more}


def test_a_signed_request_reaches_the_endpoint_by_its_name(gateway: GatewayClient) -> None:
    reply = gateway.post("/v1/chat/completions", ask("hi"))

    assert reply.json()["choices"][0]["message"]["content"] == "heard: hi", reply.text
    path, headers, body = Endpoint.received[-1]
    assert path == "/endpoints/my%20endpoint/invocations"
    assert headers["x-amzn-sagemaker-inference-component"] == "part-1"
    assert "model" not in body
    assert not is_signed(f"http://{headers['host']}{path}", headers, b"another body")
    assert body["max_tokens"] == 9


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/chat/completions", ask("hi there", stream=True)), ("/v1/messages", ask("hi there", stream=True))],
    ids=["chat", "messages"],
)
def test_a_stream_is_the_containers(gateway: GatewayClient, path: str, body: dict[str, Any]) -> None:
    reply = gateway.post(path, body)

    assert reply.status == 200
    assert "heard: " in reply.text
    assert "hi there" in reply.text
    assert Endpoint.received[-1][0].endswith("/invocations-response-stream")


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_container_refuses_is_the_clients_error(gateway: GatewayClient, stream: bool) -> None:
    reply = gateway.post("/v1/chat/completions", ask("fail", stream=stream))

    assert (reply.status, reply.json()["error"]["message"]) == (400, "too many tokens")


def test_a_stream_that_breaks_off_ends_in_an_error(gateway: GatewayClient) -> None:
    reply = gateway.post("/v1/chat/completions", ask("break " * 60, stream=True))

    assert "the container died" in reply.text
    assert "[DONE]" not in reply.text
