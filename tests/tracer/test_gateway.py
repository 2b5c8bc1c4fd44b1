"""The founding lines of YAML in a running gateway: questions and answers appear in ClickHouse, and no secret does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tracer_harness import Front, eventually, free_port, rows

GATEWAY = """
server: {{host: "127.0.0.1", port: {port}}}
models:
  - name: gpt
    isDefault: true
    provider: {{type: echo}}
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
      spool: {{path: "{spool}"{spool_more}}}
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
def gateway(folder: Path, url: str, *, plugins: str = "", password: str = "", spool_more: str = "") -> Iterator[str]:
    """A gateway in a process of its own; its log is `gateway.log`."""
    port = free_port()
    file = folder / "gateway.yaml"
    spool = folder / "gateway-spool"
    file.write_text(
        GATEWAY.format(port=port, url=url, password=password, spool=spool, spool_more=spool_more, plugins=plugins)
    )
    with (folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "llm_gateway", "start", "--config", str(file)], stdout=log, stderr=log, cwd=folder
        )
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


def test_a_plain_and_a_streamed_request_appear_complete_within_the_flush_interval(front: Front, tmp_path: Path) -> None:
    config = {"clickhouse": {"url": front.url, "database": "traces"}}
    with gateway(tmp_path, front.url) as base:
        ask(base, "/openai/v1/chat/completions", question("warm up"))
        eventually(lambda: count(config) == 1, 20)

        ask(base, "/openai/v1/chat/completions", question("What is plain?"))
        ask(base, "/anthropic/v1/messages", question("What is streamed?", stream=True))
        asked = time.monotonic()
        eventually(lambda: count(config) == 3, 10)
        waited = time.monotonic() - asked

    assert waited < 2.0 + 0.7  # the interval, and what counting takes on a busy machine
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
            with pytest.raises(urllib.error.HTTPError):
                ask(base, "/openai/v1/chat/completions", text, authorization="Bearer CANARY-wrong-key")
            eventually(lambda: count(config) == 3, 20)
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


def count(config: dict[str, Any]) -> int:
    from llm_gateway_clickhouse_tracer.client import DatabaseFailure

    try:
        return int(rows(config, "count() AS n")[0]["n"])
    except DatabaseFailure:
        return -1  # the table is made with the first record
