"""docs/architecture.md lists the files of one request in the order in which the request enters them."""

from __future__ import annotations

import json
import re
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

import pytest

from llm_gateway.testing import gateway_client

PACKAGES = Path(__file__).resolve().parent.parent / "packages"
ROOTS = {
    str(PACKAGES / "llm-gateway" / "src" / "llm_gateway") + "/": "",
    str(PACKAGES / "llm-gateway-sdk" / "src" / "llm_gateway_sdk") + "/": "sdk:",
}
PAGE = PACKAGES.parent / "docs" / "architecture.md"
REPLY = json.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "x",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello.", "x": None}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
).encode()  # fmt: skip


class Walk:
    """Records while `recording` is set. `files` has each file once, as docs/architecture.md names it: `sdk:walk.py`."""

    def __init__(self) -> None:
        self.recording = False
        self.files: list[str] = []
        self._names: dict[str, str | None] = {}

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        if not self.recording or event != "call":
            return
        path = frame.f_code.co_filename
        if path not in self._names:
            self._names[path] = name = self._name(path)
            if name is not None:
                self.files.append(name)

    @staticmethod
    def _name(path: str) -> str | None:
        for root, prefix in ROOTS.items():
            if path.startswith(root):
                return prefix + path.removeprefix(root)
        return None


@contextmanager
def walking() -> Iterator[Walk]:
    """Watches this thread and those that are started in the block."""
    walk = Walk()
    before = sys.getprofile()
    threading.setprofile(walk.profile)
    sys.setprofile(walk.profile)
    try:
        yield walk
    finally:
        sys.setprofile(before)
        threading.setprofile(None)  # type: ignore[arg-type]


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(REPLY)))
        self.end_headers()
        self.wfile.write(REPLY)

    def log_message(self, *_: object) -> None: ...


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True


@pytest.fixture
def provider() -> Iterator[str]:
    with _Server(("127.0.0.1", 0), _Provider) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def listed() -> list[str]:
    section = PAGE.read_text(encoding="utf-8").partition("## The walk, file by file")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+\.py)` \|", section, re.M)


def test_the_walk_names_each_file_once_in_the_order_of_a_real_request(provider: str) -> None:
    configuration = f"""
adapters: [{{name: anthropic}}]
models:
  - name: m
    provider: {{type: openai, config: {{baseUrl: "{provider}", apiKey: k, model: x}}}}
"""
    # With a field that is not known, neither request nor reply is a plain one, which skips what this walk is about.
    body = {"model": "m", "max_tokens": 9, "x": None, "messages": [{"role": "user", "content": "Hi."}]}
    with walking() as walk, gateway_client(configuration) as client:
        client.post("/v1/messages", json=body)  # what is done once at the first request is not part of the walk
        walk.recording = True
        answer = client.post("/v1/messages", json=body)
        walk.recording = False

    assert answer.json()["content"][0]["text"] == "Hello."
    assert listed() == walk.files
    assert len(set(listed())) == len(listed())
