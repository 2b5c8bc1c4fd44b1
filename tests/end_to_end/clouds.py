"""Every way to a credential that ends, with one stand-in for all clouds: their token endpoints, and a model.

Each way has a name, which is part of the paths that it asks, so that the stand-in knows which one is asked. What is
asked of the model is answered with the credential that came, so that a reply shows which one was used.
"""

from __future__ import annotations

import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from google_cloud import GoogleCloud
from microsoft import certificate

__all__ = ["WAYS", "Clouds", "Way"]

LIFETIME = 4.0
"""Seconds that a token lasts at first."""
_AWS = ("container", "web", "role")
"""AWS refuses no key with 401, and botocore keeps one that lasts."""


@dataclass(frozen=True)
class Way:
    """One way to a credential. `settings` are those of its provider."""

    name: str
    covers: str
    settings: Callable[[Clouds], dict[str, Any]]
    kind: str = "openai"
    early: bool = True
    """Whether another token is asked for before the first ends. azure-identity counts whole seconds, and while it has
    a token it asks once in 30 of them; the tokens of this stand-in are shorter than that."""


def _google(info: Callable[[Clouds], dict[str, Any]]) -> Callable[[Clouds], dict[str, Any]]:
    return lambda clouds: {"auth": {"type": "google", "credentialsJson": json.dumps(info(clouds))}}


def _entra(name: str, more: Callable[[Clouds], dict[str, Any]]) -> Callable[[Clouds], dict[str, Any]]:
    def settings(clouds: Clouds) -> dict[str, Any]:
        place = {"authority": clouds.tls_url, "caFile": str(clouds.ca), "tenantId": name, "clientId": "client"}
        return {"auth": {"type": "entra", **place, **more(clouds)}}

    return settings


def _oauth(clouds: Clouds) -> dict[str, Any]:
    place = {"tokenUrl": f"{clouds.url}/oauth/token", "clientId": "i", "clientSecret": "s"}
    return {"auth": {"type": "oauth", **place}}


def _command(clouds: Clouds) -> dict[str, Any]:
    """A program that begins quickly."""
    host, _, port = clouds.host.partition(":")
    program = (
        f"import socket; s = socket.create_connection(('{host}', {port})); s.sendall(b'GET /command/token HTTP/1.0"
        r"\r\n\r\n'); r = s.makefile('rb').read(); print(r.partition(b'\r\n\r\n')[2].decode())"
    )
    return {"tokenCommand": [sys.executable, "-SE", "-c", program]}


WAYS = [
    Way("account", "google service_account", _google(lambda c: c.service_account("account"))),
    Way(
        "federation",
        "google external_account",
        _google(
            lambda c: {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{c.url}/federation/token",
                "credential_source": {"file": str(c.subject)},
            }
        ),
    ),
    Way("computeMetadata", "google", lambda c: {"auth": {"type": "google"}}),
    Way("secret", "entra secret", _entra("secret", lambda c: {"clientSecret": "s"}), early=False),
    Way(
        "certificate", "entra certificate", _entra("certificate", lambda c: {"certificateFile": str(c.ca)}), early=False
    ),
    Way(
        "workload", "entra workload-identity", _entra("workload", lambda c: {"tokenFile": str(c.subject)}), early=False
    ),
    Way(
        "msi",
        "entra managed-identity",
        lambda c: {"auth": {"type": "entra", "method": "managed-identity"}},
        early=False,
    ),
    Way("oauth", "oauth", _oauth),
    Way("command", "tokenCommand", _command),
    Way("container", "bedrock chain", lambda c: {"region": "us-east-1"}, "bedrock"),
    Way("web", "bedrock profile", lambda c: {"region": "us-east-1", "profile": "web"}, "bedrock"),
    Way("role", "sagemaker chain", lambda c: {"region": "us-east-1", "profile": "role"}, "sagemaker"),
]
UNASKED = {
    "google authorized_user": "its endpoint is Google's own, whatever is configured",
    "google impersonated_service_account": "its endpoint is Google's own, whatever is configured",
    "entra default": "the chain of those above; which one follows from the machine",
}
"""What this stand-in can't be, and why."""


class Clouds:
    """`hush` and `speak` have names of ways: whose endpoint answers nothing until it speaks again."""

    def __init__(self, folder: Path) -> None:
        self.refusing = False
        """Token endpoints refuse, and the model refuses what they gave before."""
        self.lasts = LIFETIME
        self._silent: set[str] = set()
        self._changed = threading.Condition()
        self.issued: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """By way: tokens, and calls of its token endpoint."""
        self.ends: dict[str, float] = {}
        """When the last token of a way ends."""
        self.ca = certificate(folder, "authority")
        self.subject = folder / "subject"
        self.subject.write_text("the-subject-token")
        clouds = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                clouds._answer(self, b"")

            def do_POST(self) -> None:
                clouds._answer(self, self.rfile.read(int(self.headers.get("content-length") or 0)))

            def log_message(self, *args: Any) -> None:
                pass

        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca)
        self._servers[1].socket = context.wrap_socket(self._servers[1].socket, server_side=True)
        self.host = f"127.0.0.1:{self._servers[0].server_port}"
        self.url, self.tls_url = f"http://{self.host}", f"https://127.0.0.1:{self._servers[1].server_port}"
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        roles = [
            f"[profile {name}]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/r\n"
            f"web_identity_token_file = {self.subject}\nrole_session_name = {name}\n"
            for name in ("web", "role")
        ]
        (folder / "aws").write_text("".join(roles))
        self.environ = {
            "GCE_METADATA_HOST": self.host, "GCE_METADATA_IP": self.host, "CLOUDSDK_CONFIG": "/nonexistent",
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": "h",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/container/token",
            "AWS_ENDPOINT_URL_STS": f"{self.url}/sts/token", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "aws"), "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }  # fmt: skip

    def service_account(self, name: str) -> dict[str, Any]:
        info: dict[str, Any] = json.loads(GoogleCloud.service_account(self, self.ca.parent).read_text())  # type: ignore[arg-type]
        return {**info, "token_uri": f"{self.url}/{name}/token"}

    def model(self, way: Way) -> dict[str, Any]:
        config = {"baseUrl": f"{self.url}/answers", "model": "m", "retryAttempts": 1, **way.settings(self)}
        return {"name": way.name, "provider": {"type": way.kind, "config": config}}

    def hush(self, name: str) -> None:
        self._silent.add(name)

    def speak(self, *names: str) -> None:
        with self._changed:
            self._silent.difference_update(names)
            self._changed.notify_all()

    def close(self) -> None:
        self.speak(*self._silent)
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _answer(self, handler: Any, body: bytes) -> None:
        path = handler.path
        if path.startswith("/answers"):
            self._send(handler, 401 if self.refusing else 200, _reply(path, handler.headers))
            return
        name = path.split("/")[1].partition("?")[0]
        if path == "/" or (path.startswith("/computeMetadata") and not path.partition("?")[0].endswith("/token")):
            self._send(handler, 200, {"email": "gateway@machine", "scopes": []})
            return
        if "openid-configuration" in path:
            tenant = f"{self.tls_url}/{name}"
            self._send(handler, 200, {"issuer": f"{tenant}/v2.0", "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                                      "authorization_endpoint": f"{tenant}/authorize"})  # fmt: skip
            return
        if name == "sts":
            name = parse_qs(body.decode())["RoleSessionName"][0]
        self.asked[name] += 1
        with self._changed:
            self._changed.wait_for(lambda: name not in self._silent, 60)
        if self.refusing:
            self._send(handler, 400, {"error": "invalid_grant", "error_description": "secret-detail"})
            return
        self.issued[name] += 1
        lasts = self.lasts if name not in _AWS else LIFETIME
        self.ends[name] = time.time() + lasts
        self._send(handler, 200, *_token(name, f"{name}-{self.issued[name]}", lasts))

    def _send(self, handler: Any, status: int, body: Any, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            handler.send_response(status)
            for name, value in {"content-type": kind, "metadata-flavor": "Google"}.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            pass  # who asked has given up


def _token(name: str, value: str, lasts: float) -> tuple[Any, str]:
    ends = time.time() + lasts
    moment = datetime.fromtimestamp(ends, UTC).isoformat().replace("+00:00", "Z")
    if name == "container":
        return {"AccessKeyId": value, "SecretAccessKey": "s", "Token": "t", "Expiration": moment}, "application/json"
    if name in ("web", "role"):
        keys = f"<AccessKeyId>{value}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        result = f"<Credentials>{keys}<Expiration>{moment}</Expiration></Credentials>"
        kind = "AssumeRoleWithWebIdentity"
        text = (
            f'<{kind}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{kind}Result>{result}</{kind}Result>'
        )
        return f"{text}</{kind}Response>".encode(), "text/xml"
    issued: dict[str, Any] = {"access_token": value, "expires_in": int(lasts), "token_type": "Bearer"}
    if name == "msi":
        issued["expires_on"] = str(int(ends))
    return {**issued, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}, "application/json"


def _reply(path: str, headers: Any) -> dict[str, Any]:
    """The credential that came is the answer of the model."""
    text = str(headers["authorization"]).partition("Credential=")[2].partition("/")[0]
    text = text or str(headers["authorization"]).removeprefix("Bearer ")
    if path.endswith("/converse"):
        message = {"role": "assistant", "content": [{"text": text}]}
        usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
