"""The four services of secrets in one server, each with one secret under its own API. `value` None is a secret that is
not allowed; a `hung` server takes requests and answers none."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["REFERENCES", "SecretServices"]

REFERENCES = {
    "vault": "vault:kv/llm#openai",
    "aws-sm": "aws-sm:llm#openai",
    "gcp-sm": "gcp-sm:projects/p/secrets/openai",
    "azure-kv": "azure-kv:openai",
}
"""By source how the secret is written."""


class SecretServices:
    def __init__(self, folder: Path) -> None:
        self.value: str | None = None
        self.hung = threading.Event()
        self.ended = threading.Event()
        handler = type("Handler", (_Handler,), {"services": self})
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        plain, secure = self._servers
        for server in self._servers:
            server.daemon_threads = True
        file = _certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{plain.server_port}"
        self.environ = {
            "VAULT_ADDR": url, "VAULT_TOKEN": "the-token",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": url, "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "the-secret-key",
            "SECRET_MANAGER_EMULATOR_HOST": f"127.0.0.1:{plain.server_port}",
            "AZURE_KEYVAULT_URL": f"https://127.0.0.1:{secure.server_port}", "REQUESTS_CA_BUNDLE": str(file),
            "IDENTITY_ENDPOINT": f"{url}/msi/token", "IDENTITY_HEADER": "x",
        }  # fmt: skip
        """What leads the four sources here."""

    def close(self) -> None:
        self.ended.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    services: SecretServices

    def do_GET(self) -> None:
        path, value = self.path.partition("?")[0].rstrip("/"), self.services.value
        if path == "/msi/token":
            self._send(200, {"access_token": "of-the-machine", "expires_on": "4102444800"})
        elif path == "/secrets/openai" and self.headers.get("authorization") is None:
            challenge = 'Bearer authorization="https://login.windows.net/tenant", resource="https://vault.azure.net"'
            self._send(401, {"error": {"code": "Unauthorized"}}, {"www-authenticate": challenge})
        elif path.startswith("/v1/sys/internal"):
            self._send(200, {"data": {"path": "kv/", "options": None}})
        elif value is None:
            self._send(403, {"error": {"code": "Forbidden", "status": "PERMISSION_DENIED", "message": "no"}})
        elif path == "/secrets/openai":
            self._send(200, {"value": value, "id": f"https://{self.headers['host']}/secrets/openai/{'0' * 32}"})
        elif path == "/v1/kv/llm":
            self._send(200, {"data": {"openai": value}})
        else:
            assert path.startswith("/v1/projects/p/secrets/openai")
            self._send(200, {"name": "n", "payload": {"data": base64.b64encode(value.encode()).decode()}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        value = self.services.value
        if value is None:
            self._send(400, {"__type": "AccessDeniedException", "message": "no"})
        else:
            self._send(200, {"SecretString": json.dumps({"openai": value})})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        if self.services.hung.is_set():
            self.services.ended.wait()
            return
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


def _certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(address, critical=False)
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "authority.pem"
    file.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return file
