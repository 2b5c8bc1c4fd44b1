"""A provider's key in another service is rotated while the gateway runs."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest
from scripted_upstream import ScriptedUpstream
from served_gateway import Serve

pytest.importorskip("llm_gateway_vault_secrets")


class Vault(BaseHTTPRequestHandler):
    """One secret, in version 1 of the engine."""

    value: str | None = "sk-first-value"

    def do_GET(self) -> None:
        mounts = self.path.startswith("/v1/sys/internal")
        found: dict[str, Any] = {"path": "kv/", "options": None} if mounts else {"openai": self.value}
        data = json.dumps({"data": found}).encode()
        self.send_response(200 if mounts or self.value else 403)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


def test_a_key_is_rotated_without_a_restart(serve: Serve, upstream: ScriptedUpstream) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    settings = {"baseUrl": f"{upstream.url}/v1", "api": "chat", "apiKey": "${vault:kv/llm#openai}"}
    model = {"name": "m", "isDefault": True, "provider": {"type": "openai", "config": settings}}
    environ = {"VAULT_ADDR": f"http://127.0.0.1:{server.server_port}", "VAULT_TOKEN": "the-token"}
    gateway = serve({"models": [model], "secrets": {"refresh": "200ms"}}, environ)
    client = gateway.openai()

    assert key_of(client, upstream) == "Bearer sk-first-value"
    Vault.value = "sk-second-value"
    deadline = time.monotonic() + 10
    while key_of(client, upstream) != "Bearer sk-second-value":
        assert time.monotonic() < deadline, gateway.log
        time.sleep(0.1)
    Vault.value = None
    time.sleep(1)
    assert key_of(client, upstream) == "Bearer sk-second-value"
    assert "does not allow to read" in gateway.log
    assert "-value" not in gateway.log
    server.shutdown()
    server.server_close()


def key_of(client: openai.OpenAI, upstream: ScriptedUpstream) -> str:
    raw = client.chat.completions.with_raw_response.create(model="m", messages=[{"role": "user", "content": "x"}])
    return upstream.received(raw.headers["x-request-id"])[-1].headers["authorization"]
