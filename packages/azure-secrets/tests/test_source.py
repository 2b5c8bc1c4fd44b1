"""A stand-in of Azure Key Vault, with its own certificate, and of the machine's identity endpoint."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from llm_gateway_azure_secrets import AzureSecrets
from llm_gateway_azure_secrets.source import _parts

from llm_gateway_sdk.secret_source import SecretUnavailable

VERSION = "0123456789abcdef0123456789abcdef"


class Azure(BaseHTTPRequestHandler):
    secrets: dict[str, str] = {}

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        if path == "/msi/token":
            self.send(200, {"access_token": "of-the-machine", "expires_on": "4102444800"})
        elif self.headers.get("authorization") != "Bearer of-the-machine":
            challenge = 'Bearer authorization="https://login.windows.net/tenant", resource="https://vault.azure.net"'
            self.send(401, {"error": {"code": "Unauthorized"}}, {"www-authenticate": challenge})
        elif path in self.secrets:
            self.send(200, {"value": self.secrets[path], "id": f"https://{self.headers['host']}/secrets/x/{VERSION}"})
        else:
            self.send(404, {"error": {"code": "SecretNotFound", "message": "none"}})

    def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(address, critical=False)
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "authority.pem"
    file.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Azure]]:
    Azure.secrets = {"/secrets/openai": "sk-1", f"/secrets/openai/{VERSION}": "sk-0", "/secrets/all": '{"a": "sk-2"}'}
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Azure) for _ in range(2)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = certificate(tmp_path)
    context.load_cert_chain(file)
    servers[0].socket = context.wrap_socket(servers[0].socket, server_side=True)
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    monkeypatch.setenv("AZURE_KEYVAULT_URL", f"https://127.0.0.1:{servers[0].server_port}")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{servers[1].server_port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "the-header")
    yield Azure
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("reference", "value"), [("openai", "sk-1"), (f"openai/{VERSION}", "sk-0"), ("all#a", "sk-2")])
def test_a_secret_is_read_as_the_machine(azure: type[Azure], reference: str, value: str) -> None:
    assert AzureSecrets().read(reference) == value


def test_what_is_not_there_is_named(azure: type[Azure], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SecretUnavailable, match=r"SecretNotFound|404"):
        AzureSecrets().read("none")
    with pytest.raises(SecretUnavailable, match="not a JSON object"):
        AzureSecrets().read("openai#a")
    monkeypatch.delenv("AZURE_KEYVAULT_URL")
    with pytest.raises(SecretUnavailable, match="AZURE_KEYVAULT_URL"):
        AzureSecrets().read("openai")


def test_the_name_of_a_vault_leads_to_its_address() -> None:
    assert _parts("my-vault/openai") == ("https://my-vault.vault.azure.net", "openai", None)
    assert _parts(f"my-vault/openai/{VERSION}") == ("https://my-vault.vault.azure.net", "openai", VERSION)
    with pytest.raises(SecretUnavailable, match="vault/name"):
        _parts("a/b/c")
