"""Client credentials against a stand-in of a token endpoint, below the provider's own address."""

import json
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk.credential_kinds import make_credential
from llm_gateway_sdk.errors import ConfigError


class Workspace(BaseHTTPRequestHandler):
    """As Databricks: tokens at /oidc/v1/token, models at /serving-endpoints."""

    tokens: list = []
    calls: list = []
    status = 200

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/oidc/v1/token":
            self.tokens.append((self.headers.get("authorization"), parse_qs(body.decode())))
            self.send(self.status, {"access_token": f"dapi-{len(self.tokens)}", "expires_in": 3600})
            return
        self.calls.append((self.path, self.headers.get("authorization")))
        message = {"role": "assistant", "content": "hi"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        self.send(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices})

    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def workspace():
    Workspace.tokens.clear()
    Workspace.calls.clear()
    Workspace.status = 200
    server = ThreadingHTTPServer(("127.0.0.1", 0), Workspace)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def gateway(url, **more):
    auth = {
        "type": "oauth",
        "tokenUrl": "/oidc/v1/token",
        "clientId": "an id",
        "clientSecret": "s:cret",
        "scope": "all",
    }
    config = {"baseUrl": f"{url}/serving-endpoints", "auth": {**auth, **more}, "retryDelay": "1ms"}
    model = {"name": "m", "isDefault": True, "provider": {"type": "databricks", "config": config}}
    return GatewayClient(json.dumps({"models": [model]}))


def test_one_token_serves_many_calls(workspace):
    with gateway(workspace) as client:
        for _ in range(3):
            assert client.chat("Hi").status == 200

    assert Workspace.calls == [("/serving-endpoints/chat/completions", "Bearer dapi-1")] * 3
    (basic, fields), = Workspace.tokens  # fmt: skip
    assert b64decode(basic.removeprefix("Basic ")) == b"an%20id:s%3Acret"
    assert fields == {"grant_type": ["client_credentials"], "scope": ["all"]}


def test_credentials_in_the_body(workspace):
    with gateway(workspace, clientAuth="body", parameters={"audience": "a"}) as client:
        assert client.chat("Hi").status == 200

    assert Workspace.tokens[0][0] is None
    assert Workspace.tokens[0][1]["client_secret"] == ["s:cret"]
    assert Workspace.tokens[0][1]["audience"] == ["a"]


def test_a_refused_client_is_the_providers_failure(workspace, caplog):
    Workspace.status = 401
    with gateway(workspace) as client:
        answer = client.chat("Hi")

    assert answer.status == 502
    assert "s:cret" not in answer.text + caplog.text
    assert "answered the request for a token with 401" in caplog.text


def test_problems_are_found_when_the_configuration_is_read():
    with pytest.raises(ConfigError, match=r"auth\.tokenUrl"):
        make_credential({"type": "oauth", "tokenUrl": "ftp://x", "clientId": "c", "clientSecret": "s"}, "")
    config = '{"models": [{"name": "m", "provider": {"type": "openai", "config": {"auth": {"type": "none"}}}}]}'
    with pytest.raises(ConfigError, match=r"models\[0\].provider.config.auth.type"):
        GatewayClient(config)
