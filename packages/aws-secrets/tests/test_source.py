"""A stand-in of AWS Secrets Manager."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from llm_gateway_aws_secrets import AWSSecrets

from llm_gateway_sdk.secret_source import SecretUnavailable

ARN = "arn:aws:secretsmanager:eu-central-1:1:secret:llm-x"


class Manager(BaseHTTPRequestHandler):
    secrets: dict[str, dict[str, str]] = {}

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
        found = self.secrets.get(body["SecretId"])
        data = json.dumps(found or {"__type": "ResourceNotFoundException", "message": "no"}).encode()
        self.send_response(200 if found else 400)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Manager]]:
    Manager.secrets = {
        "plain": {"SecretString": "sk-1"},
        ARN: {"SecretString": '{"openai": "sk-2", "port": 5}'},
        "binary": {"SecretBinary": base64.b64encode(b"sk-3").decode()},
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Manager)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-key")
    yield Manager
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("reference", "value"),
    [("plain", "sk-1"), (f"{ARN}#openai", "sk-2"), (f"{ARN}#port", "5"), ("binary", "sk-3")],
)
def test_a_secret_is_read_whole_or_by_key(manager: type[Manager], reference: str, value: str) -> None:
    assert AWSSecrets().read(reference) == value


@pytest.mark.parametrize(
    ("reference", "words"),
    [("none", "ResourceNotFoundException"), (f"{ARN}#none", "no key 'none'"), ("plain#key", "not a JSON object")],
)
def test_what_is_not_there_is_named(manager: type[Manager], reference: str, words: str) -> None:
    with pytest.raises(SecretUnavailable, match=words) as failed:
        AWSSecrets().read(reference)
    assert "sk-" not in str(failed.value)


def test_no_server(monkeypatch: pytest.MonkeyPatch, manager: type[Manager]) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    with pytest.raises(SecretUnavailable, match="can't be reached"):
        AWSSecrets().read("plain")
