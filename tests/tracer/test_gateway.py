"""The founding lines of YAML in a running gateway: questions and answers appear in ClickHouse, and no secret does."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tracer_harness import Front, eventually, free_port, rows

from llm_gateway.testing.processes import GatewayProcess

GATEWAY = """
server: {{host: "127.0.0.1", port: {port}}}
models:
  - name: gpt
    isDefault: true
    provider: {provider}
availablePlugins:
  - module: "llm_gateway_clickhouse_tracer"
plugins:
  - name: tracer
    type: clickhouse-tracer
    config:
      clickhouse:
        url: "{url}"
        username: "default"
        password: "{password}"
        database: "traces"
        table: "traces"
      flushInterval: 2000
      spool: {{path: "{spool}", sending: normal{spool_more}}}
{plugins}
"""
AUTH_AND_HIDER = """
  - name: auth
    type: basic-apikey-auth
    config: {apikeys: [{name: "alice", key: "CANARY-api-key-1"}]}
  - name: hider
    type: regex-hider
    config:
      patterns: [{pattern: "CANARY-[a-z]+-text"}]
"""


@contextmanager
def gateway(
    folder: Path,
    url: str,
    *,
    plugins: str = "",
    password: str = "",
    spool_more: str = "",
    provider: str = "{type: echo}",
) -> Iterator[str]:
    """A gateway in its own process; its log is `gateway.log`."""
    port = free_port()
    file = folder / "gateway.yaml"
    spool = folder / "gateway-spool"
    file.write_text(
        GATEWAY.format(
            provider=provider,
            port=port,
            url=url,
            password=password,
            spool=spool,
            spool_more=spool_more,
            plugins=plugins,
        )
    )
    process = GatewayProcess(["start", "--config", str(file)], output=folder / "gateway.log", append=True, cwd=folder)
    base = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(f"{base}/health"), 30)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def ask(base: str, path: str, body: dict[str, Any], **headers: str) -> bytes:
    request = urllib.request.Request(
        base + path,
        json.dumps(body).encode(),
        {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer: bytes = reply.read()
    return answer


def question(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt", "max_tokens": 50, "messages": [{"role": "user", "content": text}], **more}


class Provider(http.server.BaseHTTPRequestHandler):
    """A provider of Chat Completions that calls a tool when it is asked about the weather."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        calls = "weather" in str(body["messages"][-1].get("content"))
        call = {
            "index": 0,
            "id": "call_0123456789",
            "type": "function",
            "function": {"name": "look", "arguments": "{}"},
        }
        message = {"role": "assistant", "content": None, "tool_calls": [call]} if calls else {"content": "Sunny."}
        usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
        head = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4.1-2025-04-14"}
        finish = "tool_calls" if calls else "stop"
        if body.get("stream"):
            chunks: list[dict[str, Any]] = [
                {"choices": [{"index": 0, "delta": {"role": "assistant", **message}, "finish_reason": None}]},
                {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
                {"choices": [], "usage": usage},
            ]
            events = [json.dumps({**head, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
            data = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()
        else:
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
            data = json.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if body.get("stream") else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("translated", [False, True], ids=["passed through", "translated"])
def test_a_tool_conversation_with_a_provider_is_one_complete_interaction(
    front: Front, tmp_path: Path, stream: bool, translated: bool
) -> None:
    provider = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=provider.serve_forever)
    thread.start()
    config = {"clickhouse": {"url": front.url, "database": "traces"}}
    call = {"id": "call_0123456789", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    words = {"role": "user", "content": "How is the weather?"}
    if translated:
        path = "/anthropic/v1/messages"
        use = {"type": "tool_use", "id": "call_0123456789", "name": "look", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "call_0123456789", "content": "a sun"}
        rounds = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
        tool: dict[str, Any] = {"name": "look", "input_schema": {"type": "object"}}
    else:
        path = "/openai/v1/chat/completions"
        rounds = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0123456789", "content": "a sun"},
        ]
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    settings = f'{{type: openai, config: {{apiKey: k, baseUrl: "http://127.0.0.1:{provider.server_address[1]}/v1"}}}}'
    try:
        with gateway(tmp_path, front.url, provider=settings) as base:
            for messages in ([words], [words, *rounds]):
                ask(
                    base,
                    path,
                    {"model": "gpt", "max_tokens": 9, "messages": messages, "tools": [tool], "stream": stream},
                )
            eventually(lambda: count(config) == 2, 60)
    finally:
        provider.shutdown()
        provider.server_close()
        thread.join()

    first, second = rows(config, rest="ORDER BY ts")
    assert first["interaction_id"] == second["interaction_id"] != first["request_id"]
    assert (first["tool_calls"], second["tool_calls"]) == (["look"], [])
    assert (first["finish_reason"], second["finish_reason"]) == ("tool_calls", "stop")
    assert (first["prompt"], second["prompt"], second["answer"]) == (
        "How is the weather?",
        "How is the weather?",
        "Sunny.",
    )
    assert (second["input_tokens"], second["output_tokens"]) == (20, 5)
    assert (second["model_answered"], second["provider"]) == ("gpt-4.1-2025-04-14", "openai")
    assert second["cost_usd"] == 0.00008
    assert second["stream"] == stream
    assert [message["role"] for message in json.loads(second["request"])["messages"]][:2] == ["user", "assistant"]
    assert json.loads(second["response"])["choices"][0]["message"]["content"] == [{"type": "text", "text": "Sunny."}]


def test_a_plain_and_a_streamed_request_appear_complete_by_themselves(front: Front, tmp_path: Path) -> None:
    config = {"clickhouse": {"url": front.url, "database": "traces"}}
    with gateway(tmp_path, front.url) as base:
        ask(base, "/openai/v1/chat/completions", question("warm up"))
        eventually(lambda: count(config) == 1, 60)

        ask(base, "/openai/v1/chat/completions", question("What is plain?"))
        ask(base, "/anthropic/v1/messages", question("What is streamed?", stream=True))
        eventually(lambda: count(config) == 3, 20)

    plain, streamed = rows(config, rest="WHERE prompt != 'warm up' ORDER BY ts")
    assert (plain["prompt"], plain["answer"]) == ("What is plain?", "What is plain?")
    assert (plain["adapter"], plain["stream"], plain["status"]) == ("openai", False, "ok")
    assert (streamed["prompt"], streamed["answer"]) == ("What is streamed?", "What is streamed?")
    assert (streamed["adapter"], streamed["stream"], streamed["finish_reason"]) == ("anthropic", True, "stop")
    for row in (plain, streamed):
        assert row["model_routed"] == "gpt"
        assert row["provider"] == "echo"
        assert row["input_tokens"] > 0
        assert row["output_tokens"] > 0
        assert row["duration_us"] > 0
        assert row["ttft_us"] is not None
        assert row["attempts"] == 1


@pytest.mark.parametrize("spool_more", ["", ", durability: power"], ids=["process", "power"])
def test_secrets_and_hidden_text_are_nowhere(tmp_path: Path, spool_more: str) -> None:
    server = Front(tmp_path / "engine", password="CANARY-database-password")
    server.start()
    config = {"clickhouse": {"url": server.url, "database": "traces", "password": "CANARY-database-password"}}
    text = question("my code is CANARY-secret-text, keep it", metadata={"user_id": "u1"})
    try:
        with gateway(
            tmp_path, server.url, plugins=AUTH_AND_HIDER, password="CANARY-database-password", spool_more=spool_more
        ) as base:
            for stream in (False, True):
                ask(
                    base,
                    "/anthropic/v1/messages",
                    {**text, "stream": stream},
                    x_api_key="CANARY-api-key-1",
                    cookie="CANARY-c",
                )
            assert status_of_whole(base, "/openai/v1/chat/completions", text, "Bearer CANARY-wrong-key") == 401
            eventually(lambda: count(config) == 3, 60)
            # The spool too, while it holds something: the server is gone.
            server.kill()
            ask(base, "/anthropic/v1/messages", text, x_api_key="CANARY-api-key-1")
            eventually(lambda: any(file.stat().st_size for file in (tmp_path / "gateway-spool").rglob("*.open")))
            waiting = b"".join(file.read_bytes() for file in (tmp_path / "gateway-spool").rglob("*") if file.is_file())
        server.start()
        recorded = rows(config, rest="ORDER BY ts")
    finally:
        server.kill()

    assert b"keep it" in waiting
    assert b"CANARY" not in waiting
    assert "CANARY" not in json.dumps(recorded)
    assert "CANARY" not in (tmp_path / "gateway.log").read_text()
    assert [row["status"] for row in recorded[:3]] == ["ok", "ok", "refused"]
    assert recorded[0]["caller"] == "alice"
    assert recorded[0]["headers"]["x-api-key"] == "[hidden]"
    assert recorded[0]["answer"] == recorded[1]["answer"] == "my code is [REDACTED], keep it"


def status_of_whole(base: str, path: str, body: dict[str, Any], authorization: str) -> int:
    """Sends head and body in one piece: a request that is refused before its body has come is not recorded."""
    place = urllib.parse.urlsplit(base)
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {place.netloc}\r\ncontent-type: application/json\r\n"
        f"authorization: {authorization}\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port or 80), 10) as connection:
        connection.sendall(head.encode() + data)
        return int(connection.recv(65536).split(b" ")[1])


def count(config: dict[str, Any]) -> int:
    from llm_gateway_clickhouse_tracer.database.client import DatabaseFailure

    try:
        return int(rows(config, "count() AS n")[0]["n"])
    except DatabaseFailure:
        return -1  # the table is made with the first record
