"""A gateway for heavy bodies: all five APIs as providers, and a project for each plugin that looks into a body.

Everything that records is switched on: spans with contents and metrics go to a collector, traces to a ClickHouse that
takes whatever it is sent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "end_to_end"))

from served_gateway import ServedGateway  # noqa: E402

__all__ = ["OTHER", "PATTERNS", "PROJECTS", "PROVIDERS", "HeavyGateway"]

OTHER = "other"
"""A model of a provider in another process, for small requests: one that is busy with a heavy request would let
them wait, and the gateway be blamed for it."""

PROVIDERS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
PATTERNS = (r"\b\d{3}-\d{2}-\d{4}\b", r"[a-z0-9_.+-]+@[a-z0-9.-]+\.[a-z0-9.]+")
_PEPPER = "a-pepper-of-sufficient-length-for-tests"
_ISSUER = "https://login.example.com"

_HIDE = {
    "name": "hide",
    "type": "regex-hider",
    "config": {"patterns": [{"pattern": pattern} for pattern in PATTERNS]},
}
_PROMPT = {"name": "prompt", "type": "prompt-manager", "config": {"mode": "before", "prompt": "Be brief."}}
_COUNT = {
    "name": "count",
    "type": "limits",
    "config": {"limits": [{"name": "all", "per": ["project"], "tokens": 10**12, "window": "1m"}]},
}
_LOG = {"name": "log", "type": "logger", "config": {"level": "debug"}}
_ROUTE = {
    "name": "route",
    "type": "model-router",
    "config": {
        "models": [{"name": f"plain-{name}"} for name in PROVIDERS],
        "strategy": "sticky",
        "stickyBy": "conversation",
    },
}
_KEYS = {"name": "keys", "type": "virtual-keys", "config": {"pepper": _PEPPER}}

PROJECTS = ["plain", "hides", "prompts", "counts", "logs", "routes", "traces", "tokens", "keys", "all"]


def _tracer(port: int) -> dict[str, Any]:
    config = {
        "clickhouse": {"url": f"http://127.0.0.1:{port}", "database": "traces"},
        "spool": {"path": "spool", "maxBytes": 1 << 28},
        "capture": {"original": "all"},
        "flushInterval": 200,
    }
    return {"name": "trace", "type": "clickhouse-tracer", "config": config}


def _configuration(port: int, other: int, public: dict[str, Any]) -> dict[str, Any]:
    """`port`: of the provider, and of all that records; `other`: of the provider that no heavy request goes to."""
    config = {"baseUrl": f"http://127.0.0.1:{other}/plain/v1", "apiKey": "sk-upstream", "model": "m", "api": "chat"}
    models: list[dict[str, Any]] = [{"name": OTHER, "provider": {"type": "openai", "config": config}}]
    for kind in ("plain", "text", "matches", "parts", "stream", "event"):
        url = f"http://127.0.0.1:{port}/{kind}"
        for name, (provider, config) in {
            "openai_chat": ("openai", {"baseUrl": f"{url}/v1", "api": "chat"}),
            "openai_responses": ("openai", {"baseUrl": f"{url}/v1", "api": "responses"}),
            "anthropic": ("anthropic", {"baseUrl": url}),
            "gemini": ("gemini", {"baseUrl": f"{url}/v1beta"}),
            "bedrock": ("bedrock", {"baseUrl": url, "region": "eu-central-1"}),
        }.items():
            settings = {**config, "apiKey": "sk-upstream", "model": "m", "retryAttempts": 1}
            models.append({"name": f"{kind}-{name}", "provider": {"type": provider, "config": settings}})
    models.append({"name": "echo", "provider": {"type": "echo"}})
    token = {"issuer": _ISSUER, "audience": "gateway", "jwks": {"keys": [public]}}
    trace, tokens = _tracer(port), {"name": "tokens", "type": "jwt-auth", "config": token}
    plugins: dict[str, list[dict[str, Any]]] = {
        "plain": [],
        "hides": [_HIDE],
        "prompts": [_PROMPT],
        "counts": [_COUNT],
        "logs": [_LOG],
        "routes": [_ROUTE],
        "traces": [trace],
        "tokens": [tokens],
        "keys": [_KEYS],
        "all": [trace, _LOG, _KEYS, tokens, _COUNT, _PROMPT, _HIDE],
    }
    return {
        "store": {"url": "sqlite:state.db"},
        "models": models,
        "projects": [{"name": name, "plugins": plugins[name]} for name in PROJECTS],
        "logging": {"level": "critical"},
        "monitoring": {"otel": {"enabled": True, "captureContent": True, "endpoint": f"http://127.0.0.1:{port}/otel"}},
    }


class HeavyGateway:
    """The gateway, its provider, and credentials for the projects that ask for one."""

    def __init__(self, folder: Path, *, reply_bytes: int) -> None:
        self._upstreams: list[subprocess.Popen[str]] = []
        self._held: Path | None = None
        self._shown = 0
        try:
            port, other = (self._provider(reply_bytes) for _ in range(2))
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())), "kid": "k", "use": "sig"}
            environ: dict[str, str] = {}
            if os.environ.get("HEAVY_SHOW"):
                self._held = folder / "held.txt"
                environ = {"HEAVY_HELD": str(self._held), "PYTHONPATH": str(HERE / "held_interpreter")}
            self.served = ServedGateway(_configuration(port, other, public), folder, environ)
        except BaseException:
            self.close()
            raise
        claims = {"iss": _ISSUER, "aud": "gateway", "sub": "ann", "exp": time.time() + 86_400}
        self._token = jwt.encode(claims, private, "RS256", {"kid": "k"})
        self._key = _new_key(folder)
        self.port = int(self.served.url.rpartition(":")[2])
        self.pid = self.served.process.pid

    def _provider(self, reply_bytes: int) -> int:
        """The port of a new one."""
        command = [sys.executable, str(HERE / "null_upstream.py")]
        environ = {**os.environ, "HEAVY_REPLY_BYTES": str(reply_bytes)}
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)
        self._upstreams.append(started)
        assert started.stdout is not None
        return int(started.stdout.readline())

    def headers(self, project: str) -> dict[str, str]:
        """What a request to a project has to bring."""
        credential = {"tokens": self._token, "keys": self._key, "all": self._key}.get(project)
        return {"authorization": f"Bearer {credential}"} if credential else {}

    def held(self) -> list[str]:
        """What has kept the interpreter from other threads since the last call, where HEAVY_SHOW is set."""
        if self._held is None or not self._held.exists():
            return []
        lines = self._held.read_text().splitlines()
        new, self._shown = lines[self._shown :], len(lines)
        return new

    def close(self) -> None:
        served: ServedGateway | None = getattr(self, "served", None)
        if served is not None:
            served.stop()
        for upstream in self._upstreams:
            upstream.kill()
            upstream.wait()
            if upstream.stdout is not None:
                upstream.stdout.close()


def _new_key(folder: Path) -> str:
    """A virtual key, made by the command that an operator uses."""
    command = [sys.executable, "-m", "llm_gateway", "keys", "create", "--name", "ann", "--pepper", _PEPPER, "--json"]
    made = subprocess.run([*command, "-c", "gateway.yaml"], cwd=folder, capture_output=True, text=True, check=True)
    return str(json.loads(made.stdout)["key"])
