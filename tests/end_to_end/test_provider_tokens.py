"""A provider whose credential is a token that a program prints: it is renewed, refused, and not to be had."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest
from served_gateway import Serve

PROGRAM = """
import json, pathlib, sys
place = pathlib.Path(sys.argv[1])
if (place / "broken").exists():
    sys.exit("no login, secret-of-the-login")
number = len(list(place.glob("token-*"))) + 1
(place / f"token-{number}").touch()
print(json.dumps({"access_token": f"tok-{number}", "expires_in": 3600}))
"""


class Vendor:
    """Answers Chat Completions to the bearer of the token that counts now."""

    def __init__(self) -> None:
        self.accepted = "tok-1"
        self.seen: list[str] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                token = self.headers.get("authorization", "")
                vendor.seen.append(token)
                valid = token == f"Bearer {vendor.accepted}"
                message = {"role": "assistant", "content": "hi"}
                reply: dict[str, Any] = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
                reply["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
                error = {"error": {"message": f"{token} is not valid", "code": "invalid_api_key"}}
                body = json.dumps(reply if valid else error).encode()
                self.send_response(200 if valid else 401)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.server.shutdown()
    vendor.server.server_close()


def configuration(vendor: Vendor, folder: Path) -> dict[str, Any]:
    (folder / "login.py").write_text(PROGRAM)
    command = [sys.executable, str(folder / "login.py"), str(folder)]
    settings = {"baseUrl": vendor.url, "tokenCommand": command, "retryDelay": "1ms"}
    cloud = {"name": "cloud", "isDefault": True, "provider": {"type": "openai", "config": settings}}
    spare = {"name": "spare", "provider": {"type": "echo", "config": {"reply": "from the spare"}}}
    router = {"name": "router", "type": "model-router", "config": {"fallbacks": ["spare"]}}
    project = {"name": "safe", "plugins": [router]}
    return {"models": [cloud, spare], "projects": [project]}


def test_a_token_is_fetched_once_and_again_where_the_vendor_refuses_it(
    vendor: Vendor, serve: Serve, tmp_path: Path
) -> None:
    client = serve(configuration(vendor, tmp_path)).openai()
    for _ in range(3):
        assert client.chat.completions.create(model="cloud", messages=[{"role": "user", "content": "x"}])
    assert vendor.seen == ["Bearer tok-1"] * 3

    vendor.accepted = "tok-2"
    assert client.chat.completions.create(model="cloud", messages=[{"role": "user", "content": "x"}])
    assert vendor.seen[3:] == ["Bearer tok-1", "Bearer tok-2"]


def test_what_can_not_be_had_is_the_providers_failure(vendor: Vendor, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    gateway = serve(configuration(vendor, tmp_path))
    with pytest.raises(openai.InternalServerError) as failed:
        gateway.openai().chat.completions.create(model="cloud", messages=[{"role": "user", "content": "x"}])

    assert failed.value.status_code == 502
    assert vendor.seen == []
    answer = gateway.openai("/safe").chat.completions.create(model="cloud", messages=[{"role": "user", "content": "x"}])
    assert answer.choices[0].message.content == "from the spare"
    assert "secret-of-the-login" not in gateway.log + str(failed.value)
    assert "could not be obtained" in gateway.log


def test_a_token_that_no_vendor_takes_is_not_the_clients_401(vendor: Vendor, serve: Serve, tmp_path: Path) -> None:
    vendor.accepted = "none of them"
    gateway = serve(configuration(vendor, tmp_path))
    with pytest.raises(openai.InternalServerError) as failed:
        gateway.openai().chat.completions.create(model="cloud", messages=[{"role": "user", "content": "x"}])

    assert failed.value.status_code == 502
    assert "tok-" not in gateway.log + str(failed.value)
