"""A stand-in for Entra ID and for the machine's own identity endpoint, with its own certificate."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def certificate(folder: Path, name: str) -> Path:
    """A PEM file with a key and its self-signed certificate for 127.0.0.1."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


class Microsoft:
    def __init__(self, folder: Path) -> None:
        self.ca = certificate(folder, "authority")
        self.requests: list[dict[str, str]] = []
        """The fields of each request for a token; of the machine's endpoint its query."""
        self.refuses = False
        microsoft = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                if "openid-configuration" in self.path:
                    tenant = f"{microsoft.authority}/tenant"
                    self._send(200, {
                        "issuer": f"{tenant}/v2.0", "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                        "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                        "tenant_region_scope": "EU", "cloud_instance_name": "x",
                    })  # fmt: skip
                else:
                    microsoft.requests.append(query)
                    self._send(200, {"access_token": "of-the-machine", "expires_on": "4102444800"})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                microsoft.requests.append({name: values[0] for name, values in parse_qs(body).items()})
                if microsoft.refuses:
                    self._send(401, {"error": "invalid_client", "error_description": "AADSTS7000215: wrong secret"})
                else:
                    number = len(microsoft.requests)
                    self._send(200, {"access_token": f"entra-{number}", "expires_in": 3600, "token_type": "Bearer"})

            def _send(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca)
        self._servers[0].socket = context.wrap_socket(self._servers[0].socket, server_side=True)
        self.authority = f"https://127.0.0.1:{self._servers[0].server_port}"
        self.machine = f"http://127.0.0.1:{self._servers[1].server_port}/msi/token"
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
