"""A stand-in of Google Secret Manager, reached as its emulators are."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from llm_gateway_gcp_secrets import GoogleSecrets

from llm_gateway_sdk.secret_source import SecretUnavailable


class Manager(BaseHTTPRequestHandler):
    secrets: dict[str, str] = {}

    def do_GET(self) -> None:
        name = self.path.removeprefix("/v1/").partition(":access")[0]
        found = self.secrets.get(name)
        body: dict[str, Any] = {"error": {"code": 404, "message": "none", "status": "NOT_FOUND"}}
        if found is not None:
            body = {"name": name, "payload": {"data": base64.b64encode(found.encode()).decode()}}
        data = json.dumps(body).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Manager]]:
    Manager.secrets = {
        "projects/p/secrets/openai/versions/latest": "sk-1",
        "projects/p/secrets/openai/versions/3": "sk-3",
        "projects/q/secrets/all/versions/latest": '{"openai": "sk-2"}',
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Manager)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", f"127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    yield Manager
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("openai", "sk-1"),
        ("projects/p/secrets/openai", "sk-1"),
        ("projects/p/secrets/openai/versions/3", "sk-3"),
        ("projects/q/secrets/all#openai", "sk-2"),
    ],
)
def test_a_secret_is_read_by_each_of_its_names(manager: type[Manager], reference: str, value: str) -> None:
    assert GoogleSecrets().read(reference) == value


def test_what_is_not_there_is_named(manager: type[Manager], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SecretUnavailable, match="NotFound"):
        GoogleSecrets().read("none")
    with pytest.raises(SecretUnavailable, match="not a JSON object") as failed:
        GoogleSecrets().read("openai#key")
    assert "sk-1" not in str(failed.value)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with pytest.raises(SecretUnavailable, match="GOOGLE_CLOUD_PROJECT"):
        GoogleSecrets().read("openai")


def test_a_changed_secret_is_read(manager: type[Manager]) -> None:
    source = GoogleSecrets()
    assert source.read("openai") == "sk-1"
    manager.secrets = {**manager.secrets, "projects/p/secrets/openai/versions/latest": "sk-4"}

    assert source.read("openai") == "sk-4"


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", "127.0.0.1:9")

    with pytest.raises(SecretUnavailable, match="can't be reached"):
        GoogleSecrets().read("projects/p/secrets/openai")
