"""Each way to a token of Entra ID, against a stand-in of its token endpoint."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from microsoft import certificate

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk.credential_kinds import make_credential
from llm_gateway_sdk.errors import ConfigError

SCOPE = "https://cognitiveservices.azure.com/.default"


def settings(microsoft, **more):
    place = {"authority": microsoft.authority, "caFile": str(microsoft.ca), "tenantId": "tenant", "clientId": "client"}
    return {"type": "entra", **place, **more}


def fetched(config):
    async def fetch():
        credential = make_credential(config, "")
        try:
            return await credential.fetch()
        finally:
            await credential.close()

    return asyncio.run(fetch())


def test_a_client_secret(microsoft):
    token = fetched(settings(microsoft, clientSecret="the-secret"))

    assert token.value == "entra-1"
    assert token.expires is not None
    sent = microsoft.requests[0]
    assert (sent["client_secret"], sent["scope"].split()[0], sent["grant_type"]) == (
        "the-secret",
        SCOPE,
        "client_credentials",
    )


def test_a_certificate(microsoft, tmp_path):
    assert fetched(settings(microsoft, certificateFile=str(certificate(tmp_path, "client")))).value == "entra-1"
    assert microsoft.requests[0]["client_assertion_type"].endswith("jwt-bearer")


def test_workload_identity(microsoft, tmp_path, monkeypatch):
    (tmp_path / "federated").write_text("the-federated-token")

    assert fetched(settings(microsoft, tokenFile=str(tmp_path / "federated"))).value == "entra-1"
    assert microsoft.requests[0]["client_assertion"] == "the-federated-token"
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "federated"))
    assert fetched(settings(microsoft, method="workload-identity")).value == "entra-2"


@pytest.mark.parametrize("client", [None, "user-assigned"])
def test_the_machines_own_identity(microsoft, monkeypatch, client):
    monkeypatch.setenv("IDENTITY_ENDPOINT", microsoft.machine)
    monkeypatch.setenv("IDENTITY_HEADER", "the-header")
    config = {"type": "entra", "method": "managed-identity", **({"clientId": client} if client else {})}

    assert fetched(config).value == "of-the-machine"
    assert microsoft.requests[0]["resource"] == SCOPE.removesuffix("/.default")
    assert microsoft.requests[0].get("client_id", microsoft.requests[0].get("clientid")) == client


def test_another_scope(microsoft):
    fetched(settings(microsoft, clientSecret="s", scope="https://ai.azure.com/.default"))

    assert microsoft.requests[0]["scope"].startswith("https://ai.azure.com/.default")


def test_a_token_that_was_refused_is_not_given_again(microsoft):
    async def fetch():
        credential = make_credential(settings(microsoft, clientSecret="s"), "")
        try:
            return [(await credential.fetch()).value for _ in range(3)]
        finally:
            await credential.close()

    assert asyncio.run(fetch()) == ["entra-1", "entra-2", "entra-3"]


def test_a_refusal_is_reported_without_the_secret(microsoft):
    microsoft.refuses = True
    with pytest.raises(ValueError, match="AADSTS7000215") as refused:
        fetched(settings(microsoft, clientSecret="the-secret"))
    assert "the-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        ({"method": "secret"}, ["auth.tenantId", "auth.clientId", "auth.clientSecret"]),
        ({"method": "magic"}, ["auth.method"]),
        ({"tenantId": "t", "clientId": "c", "certificateFile": "/none.pem"}, ["auth.certificateFile"]),
        ({"tenantId": "not a tenant!", "clientId": "c", "clientSecret": "s"}, ["auth"]),
        ({"secret": "x"}, ["auth.secret"]),
    ],
)
def test_what_can_not_work_is_found_before_a_call(config, paths, monkeypatch):
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError) as refused:
        make_credential({"type": "entra", **config}, "")
    assert [problem.path for problem in refused.value.problems] == paths


class Models(BaseHTTPRequestHandler):
    seen: list = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, dict(self.headers.items()), body))
        message = {"role": "assistant", "content": "Azure here"}
        reply = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                 "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}  # fmt: skip
        if self.path.endswith("/v1/messages"):
            reply = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                     "content": [{"type": "text", "text": "Foundry here"}], "stop_sequence": None,
                     "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def test_models_of_azure_openai_and_of_foundry_are_called_with_it(microsoft):
    Models.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Models)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    auth = settings(microsoft, clientSecret="the-secret")
    models = [
        {"name": "gpt", "provider": {"type": "azure-openai", "config": {
            "baseUrl": url, "model": "deployment", "api": "chat", "auth": auth}}},
        {"name": "claude", "provider": {"type": "anthropic", "config": {
            "baseUrl": f"{url}/anthropic", "model": "claude-sonnet-4-5", "auth": auth}}},
    ]  # fmt: skip
    with GatewayClient(json.dumps({"models": models})) as gateway:
        assert "Azure here" in gateway.chat("Hi", model="gpt", headers={"api-key": "of-the-client"}).text
        assert "Foundry here" in gateway.chat("Hi", model="claude").text
    server.shutdown()
    server.server_close()

    paths = [path for path, _, _ in Models.seen]
    assert paths == ["/openai/v1/chat/completions", "/anthropic/v1/messages"]
    for _, headers, _ in Models.seen:
        given = {name.lower(): value for name, value in headers.items()}
        assert given["authorization"].startswith("Bearer entra-")
        assert not {"api-key", "x-api-key"} & given.keys()
