"""Google's own client against a running gateway: a conversation with tools, on Gemini and on another provider."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.testing.processes import GatewayProcess

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed")
    types = pytest.importorskip("google.genai.types")
    errors = pytest.importorskip("google.genai.errors")
pytest.importorskip("llm_gateway.cli", reason="the gateway is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")

SIGNATURE = "c2lnbmF0dXJl"


class Upstream(BaseHTTPRequestHandler):
    """Calls the tool, and once it is answered repeats the result; Gemini and Anthropic, whole and streamed."""

    received: list[tuple[str, Any]]

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.received.append((self.path, body))
        text = json.dumps(body)
        if "fail" in text:
            return self.answer(429, b'{"error":{"code":429,"message":"Slow down","status":"RESOURCE_EXHAUSTED"}}')
        if "count" in self.path:
            return self.answer(200, b'{"totalTokens": 12}' if ":countTokens" in self.path else b'{"input_tokens": 42}')
        answered = "functionResponse" in text or "tool_result" in text
        if self.path.startswith("/v1/messages"):
            return self.answer(200, json.dumps(_anthropic(answered)).encode())
        reply = json.dumps(_gemini(answered)).encode()
        if "streamGenerateContent" in self.path:
            return self.answer(200, b"data: " + reply + b"\r\n\r\n", "text/event-stream")
        return self.answer(200, reply)

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _gemini(answered: bool) -> Any:
    call = {"functionCall": {"name": "look", "args": {"city": "Ulm"}}, "thoughtSignature": SIGNATURE}
    parts = [{"text": "It is sunny."}] if answered else [call]
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3-pro", "responseId": "r"}


def _anthropic(answered: bool) -> Any:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Ulm"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "sig.na/ture"}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "It is sunny."}] if answered else [thought, call],
        "stop_reason": "end_turn" if answered else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadingHTTPServer]:
    Upstream.received = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def base_url(upstream: ThreadingHTTPServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    address = f"http://127.0.0.1:{upstream.server_port}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    providers = {
        "gem": ("gemini", {"apiKey": "ours", "baseUrl": f"{address}/v1beta", "model": "gemini-3-pro"}),
        "claude": ("anthropic", {"apiKey": "ours", "baseUrl": address, "model": "claude"}),
    }
    models = [
        {
            "name": name,
            "isDefault": name == "gem",
            "provider": {"type": kind, "config": {**config, "retryAttempts": 1}},
        }
        for name, (kind, config) in providers.items()
    ]
    path: Path = tmp_path_factory.mktemp("gateway") / "gateway.yaml"
    path.write_text(json.dumps({"server": {"host": "127.0.0.1", "port": port}, "models": models}))
    process = GatewayProcess(["start", "--config", str(path)])
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/gemini"
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: GatewayProcess) -> None:
    for _ in range(300):
        if process.poll() is not None:
            pytest.fail("the gateway did not start")
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail("the gateway did not answer")


@pytest.fixture
def client(base_url: str) -> Any:
    options = types.HttpOptions(base_url=base_url, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key="a-key-of-the-gateway", http_options=options)


LOOK = {"name": "look", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}


@pytest.mark.parametrize("model", ["gem", "claude"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_with_a_tool(client: Any, model: str, streamed: bool) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Be brief.", tools=[types.Tool(function_declarations=[LOOK])], max_output_tokens=500
    )

    def ask(contents: list[Any]) -> list[Any]:
        if streamed:
            chunks = list(client.models.generate_content_stream(model=model, contents=contents, config=config))
            return [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
        reply = client.models.generate_content(model=model, contents=contents, config=config)
        assert reply.usage_metadata.total_token_count == 10
        return list(reply.candidates[0].content.parts)

    question = types.Content(role="user", parts=[types.Part(text="How is Ulm?")])
    first = ask([question])
    (call,) = [part.function_call for part in first if part.function_call]
    answer = types.Part.from_function_response(name=call.name, response={"result": "sun"})
    answer.function_response.id = call.id
    history = [question, types.Content(role="model", parts=first), types.Content(role="user", parts=[answer])]
    second = ask(history)

    assert call.args == {"city": "Ulm"}
    assert "".join(part.text or "" for part in second) == "It is sunny."
    sent = json.dumps(Upstream.received[-1][1])
    assert ("sig.na/ture" if model == "claude" else SIGNATURE) in sent


def test_a_providers_error_is_googles_error(client: Any) -> None:
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gem", contents="fail")

    assert (caught.value.code, caught.value.status, caught.value.message) == (429, "RESOURCE_EXHAUSTED", "Slow down")


def test_models_are_listed_and_tokens_counted(client: Any) -> None:
    assert {model.name for model in client.models.list()} == {"models/gem", "models/claude"}
    assert client.models.count_tokens(model="gem", contents="How many?").total_tokens == 12
    assert client.models.count_tokens(model="claude", contents="How many?").total_tokens == 42
