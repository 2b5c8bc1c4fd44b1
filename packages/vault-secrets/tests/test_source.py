"""A stand-in of Vault's API with both versions of its key-value engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from llm_gateway_vault_secrets import VaultSecrets

from llm_gateway_sdk.secret_source import SecretUnavailable


class Vault(BaseHTTPRequestHandler):
    secrets: dict[str, Any] = {}
    logins: list[Any] = []
    token = "the-token"

    def do_GET(self) -> None:
        path = self.path.removeprefix("/v1/")
        if self.headers.get("x-vault-token") != self.token:
            self.send(403, {"errors": ["permission denied"]})
        elif path.startswith("sys/internal/ui/mounts/"):
            second = path.startswith("sys/internal/ui/mounts/secret/")
            options = {"version": "2"} if second else None
            self.send(200, {"data": {"path": "secret/" if second else "kv/", "options": options}})
        elif path in self.secrets:
            self.send(200, {"data": self.secrets[path]})
        else:
            self.send(404, {"errors": []})

    def do_POST(self) -> None:
        self.logins.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
        self.send(200, {"auth": {"client_token": self.token, "lease_duration": 3600, "renewable": True}})

    def send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[type[Vault]]:
    Vault.secrets = {"secret/data/llm": {"data": {"openai": "sk-1"}, "metadata": {"version": 1}}, "kv/llm": {"a": "b"}}
    Vault.logins, Vault.token = [], "the-token"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for name in ("VAULT_ROLE_ID", "VAULT_SECRET_ID", "VAULT_NAMESPACE", "VAULT_K8S_ROLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("VAULT_TOKEN", "the-token")
    yield Vault
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("reference", "value"), [("secret/llm#openai", "sk-1"), ("secret/data/llm#openai", "sk-1"), ("kv/llm#a", "b")]
)
def test_both_engines_are_read_by_the_path_that_the_command_line_takes(
    vault: type[Vault], reference: str, value: str
) -> None:
    assert VaultSecrets().read(reference) == value


def test_a_changed_secret_is_read(vault: type[Vault]) -> None:
    source = VaultSecrets()
    assert source.read("secret/llm#openai") == "sk-1"
    vault.secrets["secret/data/llm"]["data"]["openai"] = "sk-2"
    assert source.read("secret/llm#openai") == "sk-2"


def test_an_application_logs_in(vault: type[Vault], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    monkeypatch.setenv("VAULT_ROLE_ID", "role")
    monkeypatch.setenv("VAULT_SECRET_ID", "secret-id")
    assert VaultSecrets().read("kv/llm#a") == "b"
    assert vault.logins == [("/v1/auth/approle/login", {"role_id": "role", "secret_id": "secret-id"})]

    monkeypatch.delenv("VAULT_ROLE_ID")
    (tmp_path / "jwt").write_text("the-jwt")
    monkeypatch.setenv("VAULT_K8S_ROLE", "gateway")
    monkeypatch.setenv("VAULT_K8S_TOKEN_FILE", str(tmp_path / "jwt"))
    assert VaultSecrets().read("kv/llm#a") == "b"
    assert vault.logins[1] == ("/v1/auth/kubernetes/login", {"role": "gateway", "jwt": "the-jwt"})


def test_an_application_whose_token_has_ended_logs_in_again(
    vault: type[Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    monkeypatch.setenv("VAULT_ROLE_ID", "role")
    monkeypatch.setenv("VAULT_SECRET_ID", "secret-id")
    source = VaultSecrets()
    assert source.read("kv/llm#a") == "b"
    vault.token = "another-token"
    assert source.read("kv/llm#a") == "b"
    assert len(vault.logins) == 2


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("secret/none#x", "no secret"),
        ("secret/llm#none", "no key 'none'"),
        ("secret/llm", "#key"),
    ],
)
def test_what_is_not_there_is_named(vault: type[Vault], reference: str, words: str) -> None:
    with pytest.raises(SecretUnavailable, match=words) as failed:
        VaultSecrets().read(reference)
    assert "sk-1" not in str(failed.value)


def test_no_access_and_no_server(vault: type[Vault], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "another-token")
    with pytest.raises(SecretUnavailable, match="does not allow") as failed:
        VaultSecrets().read("secret/llm#openai")
    assert "another-token" not in str(failed.value)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(SecretUnavailable, match="can't be reached"):
        VaultSecrets().read("secret/llm#openai")
    monkeypatch.delenv("VAULT_TOKEN")
    with pytest.raises(SecretUnavailable, match="VAULT_TOKEN"):
        VaultSecrets().read("secret/llm#openai")
