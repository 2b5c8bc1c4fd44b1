"""The nginx configuration of docs/operations.md as it is written, in front of a gateway: TLS, streams, sessions."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from served_gateway import ServedGateway

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
KEY = {"authorization": "Bearer a-key-of-the-test"}
CONFIG = {
    "server": {"trustProxy": True},
    "models": [{"name": "m", "isDefault": True, "provider": {"type": "echo", "config": {"delay": "150ms"}}}],
    "plugins": [{"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["a-key-of-the-test"]}}],
    "admin": {"enabled": True, "apiKey": "a-key-of-the-administration"},
}


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "gateway.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "gateway.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "gateway.pem", folder / "gateway.key"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of nginx, with the configuration of the page; only addresses and paths of files are others."""
    if shutil.which("nginx") is None:
        pytest.skip("the program nginx is missing")
    folder = tmp_path_factory.mktemp("nginx")
    certificate, key = _certificate(folder)
    gateway = ServedGateway(CONFIG, folder / "gateway")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = re.search(r"^```nginx\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    written = found[1]
    for old, new in {
        "127.0.0.1:3000": gateway.url.removeprefix("http://"), "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/ssl/gateway.pem": str(certificate), "/etc/ssl/gateway.key": str(key),
    }.items():  # fmt: skip
        assert old in written
        written = written.replace(old, new)
    temporary = "".join(
        f"{each}_temp_path {folder}/{each};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{written}}}\n"
    )
    nginx = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE)
    try:
        trust = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, trust_env=False, timeout=30) as client:
            until = time.monotonic() + 30
            while True:
                try:
                    client.get("/health/live")
                    break
                except httpx.TransportError:
                    errors = folder / "error.log"  # nginx makes it before it listens, and this may be earlier
                    failed = errors.read_text() if errors.exists() else ""
                    assert nginx.poll() is None, failed
                    assert time.monotonic() < until, failed
                    time.sleep(0.05)
            yield client
    finally:
        nginx.terminate()
        nginx.communicate()
        gateway.stop()


def test_a_reply_comes_over_tls(client: httpx.Client) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}

    assert client.post("/v1/chat/completions", json=body).status_code == 401
    reply = client.post("/v1/chat/completions", json=body, headers=KEY)

    assert reply.json()["choices"][0]["message"]["content"] == "Hello"


def test_a_stream_is_not_held_back(client: httpx.Client) -> None:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "one two three four"}]}
    times = []

    with client.stream("POST", "/v1/chat/completions", json=body, headers=KEY) as reply:
        for line in reply.iter_lines():
            if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                times.append(time.monotonic())

    assert len(times) >= 4
    assert times[-1] - times[0] > 0.3  # of 0.45 s


@pytest.mark.parametrize("path", ["/metrics", "/admin", "/admin/v1/keys"])
def test_what_is_for_the_inside_is_not_served(client: httpx.Client, path: str) -> None:
    headers = {"authorization": "Bearer a-key-of-the-administration"}

    reply = client.get(path, headers=headers)

    assert reply.status_code == 404
    assert reply.headers["server"].startswith("nginx")
    assert "llm" not in reply.text
