"""What a plugin hid rests nowhere in clear text: not in a store, in files or in Redis, not in figures and pages."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from under_attack import Attacked, Provider, Reply, Sent, answering, asking, free_port, model

from llm_gateway.dialects.openai_responses.echo import REPEATED

CANARY = "canary-4711"
TEXT = f"my address is {CANARY}@secret.example, write to it"
KEY = "an-administration-key-of-some-length"
DIALECTS = ("chat", "responses", "anthropic", "gemini")
FORM = "form-boundary"


def answer(sent: Sent) -> Reply:
    """A provider of all APIs that repeats the canary in its answers, its errors and its files."""
    if "/files" in sent.path:
        if sent.path.endswith("/content"):
            return Reply(batch_line({"body": {"choices": [{"message": {"content": TEXT}}]}}))
        return Reply({"id": "file-1", "object": "file", "purpose": "batch", "filename": "lines.jsonl", "bytes": 10})
    if "/batches" in sent.path:
        return Reply(
            {
                "id": "batch_1", "object": "batch", "status": "completed", "endpoint": "/v1/chat/completions",
                "input_file_id": "file-1", "output_file_id": "file-2", "metadata": {"note": TEXT},
                "request_counts": {"total": 1, "completed": 1, "failed": 0},
            }
        )  # fmt: skip
    if b"break" in sent.body:
        return Reply({"error": {"message": f"no: {TEXT}", "type": "invalid_request_error"}}, 400)
    return answering(TEXT)(sent)


def batch_line(response: dict[str, Any]) -> bytes:
    return json.dumps({"id": "b1", "custom_id": "one", "response": {"status_code": 200, **response}}).encode() + b"\n"


def configuration(provider: str, store: str, *, hides: bool) -> dict[str, Any]:
    hide = {"name": "hide", "type": "regex-hider", "config": {"patterns": [{"pattern": r"canary-\d+"}]}}
    limit = {"name": "all", "per": ["project", "user"], "tokens": 10**9, "window": "1h"}
    tracer = {
        "clickhouse": {"url": "http://127.0.0.1:9"},
        "spool": {"path": "spool", "sending": "normal"},
        "flushInterval": 100,
    }
    plugins = [
        {"name": "console", "type": "console"},
        {"name": "count", "type": "limits", "config": {"limits": [limit], "ledger": True}},
        {"name": "log", "type": "logger", "config": {"level": "debug"}},
        {"name": "trace", "type": "clickhouse-tracer", "config": tracer},
        *([hide] if hides else []),
    ]
    return {
        "store": {"url": store},
        "models": [model(dialect, provider, dialect) for dialect in DIALECTS],
        "plugins": plugins,
        "admin": {"enabled": True, "apiKey": KEY},
        "monitoring": {"metrics": {"enabled": True}},
        "logging": {"level": "debug"},
    }


def use(attacked: Attacked) -> list[int]:
    """Everything that stores something is used with the canary in it. Statuses of the replies."""
    http, replies = attacked.http, []
    named = {"x-request-id": "a-request"}
    replies.append(http.post("/v1/chat/completions", json=asking("chat", TEXT, name="chat"), headers=named))
    for client, path in {"chat": "/v1/chat/completions", "anthropic": "/v1/messages"}.items():
        for dialect in DIALECTS:
            for stream in (False, True):
                replies.append(http.post(path, json=asking(client, TEXT, name=dialect, stream=stream)))
            replies.append(http.post(path, json=asking(client, f"break {TEXT}", name=dialect)))
    for dialect in ("chat", "anthropic"):
        body = {"model": dialect, "store": True, "metadata": {"note": TEXT}, "instructions": TEXT, "input": TEXT}
        kept = http.post("/v1/responses", json=body)
        more = {**body, "previous_response_id": kept.json().get("id"), "stream": True}
        replies += [kept, http.post("/v1/responses", json=more)]
        tool = {"type": "function_call_output", "call_id": "c1", "output": TEXT}
        call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": json.dumps({"at": TEXT})}
        replies.append(http.post("/v1/responses", json={**body, "input": [call, tool]}))
    for field in REPEATED:
        for value in (TEXT, [TEXT], {"effort": TEXT}):
            body = {"model": "anthropic", "store": True, "input": "hello", field: value}
            replies.append(http.post("/v1/responses", json=body))
    conversation = http.post("/v1/conversations", json={})
    replies.append(conversation)
    body = {"model": "chat", "input": TEXT, "conversation": conversation.json().get("id")}
    replies.append(http.post("/v1/responses", json=body))
    labelled = {"metadata": {"note": TEXT}}
    replies.append(http.post("/v1/conversations", json=labelled))
    replies.append(http.post(f"/v1/conversations/{conversation.json().get('id')}", json=labelled))
    items = {"items": [{"role": "user", "content": TEXT}]}
    replies.append(http.post(f"/v1/conversations/{conversation.json().get('id')}/items", json=items))
    lines = {"requests": [{"custom_id": "one", "params": asking("anthropic", TEXT, name="anthropic")}]}
    replies.append(http.post("/v1/messages/batches", json=lines))
    replies += batch(attacked)
    return [reply.status_code for reply in replies]


def batch(attacked: Attacked) -> list[Any]:
    line = {
        "custom_id": "one",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": asking("chat", TEXT, name="chat"),
    }
    content = json.dumps(line)
    form = (
        f'--{FORM}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--{FORM}\r\n'
        f'content-disposition: form-data; name="file"; filename="lines.jsonl"\r\n\r\n{content}\n\r\n--{FORM}--\r\n'
    )
    kind = {"content-type": f"multipart/form-data; boundary={FORM}"}
    http = attacked.http
    file = http.post("/v1/files", content=form.encode(), headers=kind)
    asked = {"input_file_id": file.json().get("id"), "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    made = http.post("/v1/batches", json={**asked, "metadata": {"note": TEXT}})
    read = [http.get(f"/v1/batches/{made.json().get('id')}"), http.get("/v1/batches"), http.get("/v1/files")]
    done = read[0].json().get("output_file_id")
    return [file, made, *read, http.get(f"/v1/files/{done}/content")]


def pages(attacked: Attacked) -> dict[str, str]:
    """Everything that the gateway shows of itself."""
    http, found = attacked.http, {}
    signed = {"authorization": f"Bearer {KEY}"}
    described = http.get("/admin/v1/openapi.json", headers=signed).json()
    own = [f"/admin/v1{path.removeprefix('/admin/v1')}" for path, ways in described["paths"].items() if "get" in ways]
    own = [path for path in own if "{" not in path] + ["/admin/v1/explain/a-request"]
    for path in ["/metrics", "/", "/health/ready", "/admin/config", "/admin/breakers", *own]:
        found[path] = http.get(path, headers=signed).text
    http.post("/console/sign-in", data={"credential": KEY})
    waiting = ["/console/keys"]
    while waiting and len(found) < 200:
        path = waiting.pop()
        if path in found:
            continue
        reply = http.get(path)
        found[path] = reply.text
        if "html" in reply.headers.get("content-type", ""):
            waiting += re.findall(r'(?:href|src)="(/console[^"#]*)"', reply.text)
    return found


def rests_in(folder: Path) -> list[str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return [str(file.relative_to(folder)) for file in files if CANARY.encode() in file.read_bytes()]


class Redis:
    """A server that writes what it holds to a file, without compression."""

    def __init__(self, folder: Path) -> None:
        self.file, self.port = folder / "dump.rdb", free_port()
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--rdbcompression", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError("redis-server did not start")

    def save(self) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(b"SAVE\r\n")
            connection.recv(100)
        return self.file.read_bytes()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = Redis(tmp_path)
    yield server
    server.close()


def settled(attacked: Attacked) -> None:
    """Until what is written in the background is written."""
    attacked.wait_for(lambda: any((attacked.folder / "spool").rglob("*")), 5)
    time.sleep(0.5)


def test_what_was_hidden_rests_in_no_file_and_is_on_no_page(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    attacked = attack(configuration(provide(answer).url, "sqlite:state.db", hides=True))
    statuses = use(attacked)
    settled(attacked)

    shown = pages(attacked)
    assert len(shown) > 20, sorted(shown)
    assert [path for path, text in shown.items() if CANARY in text] == []
    assert rests_in(attacked.folder) == []
    assert statuses.count(200) > 25, statuses
    assert 500 not in statuses


def test_what_was_hidden_is_not_in_redis(
    redis: Redis, attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    attacked = attack(configuration(provide(answer).url, f"redis://127.0.0.1:{redis.port}/0", hides=True))
    use(attacked)
    settled(attacked)
    held = redis.save()

    assert b"write to it" in held
    assert CANARY.encode() not in held


def test_without_the_plugin_it_would_rest_there(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    attacked = attack(configuration(provide(answer).url, "sqlite:state.db", hides=False))
    use(attacked)
    settled(attacked)

    found = rests_in(attacked.folder)
    assert any(name.startswith("state.db") for name in found)
    assert any(name.startswith("spool") for name in found)
    assert "log.txt" in found
