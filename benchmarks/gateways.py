"""How each gateway is configured, started and addressed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .keys import LIMITS, key_file, redis_with_keys, sqlite_with_keys
from .machine import processes, resident_mb, say_version
from .peers import peers_folder
from .scenarios import SCENARIOS, Scenario, Setup, request_body

__all__ = ["GATEWAYS", "PLUGINS", "Endpoint", "Place", "Running", "nginx_program", "runs", "version_of"]


@dataclass(frozen=True)
class Place:
    """Where an instance lives and whom it calls."""

    folder: Path
    port: int
    upstream: int
    upstream_tls: int
    certificate: Path
    setup: Setup
    keys: Path
    """Where keys and stores with keys are kept between runs."""
    redis: int
    """The port of a Redis; 0 where there is none."""


@dataclass
class Endpoint:
    path: str
    model: str = "gpt-4o-mini"
    headers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    command: Callable[[Place], list[str]] | None
    """None: there is no process, the upstream is called directly."""
    endpoint: Callable[[Place, str], Endpoint | None]
    """None for a dialect that the gateway does not have."""
    setups: tuple[Setup, ...] = ("plain",)
    environment: dict[str, str] = field(default_factory=dict)


class Running:
    """An instance from its start until `stop`."""

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.place = place
        self._kind = GATEWAYS[name]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = place.port
        self.ready_seconds = 0.0
        self.idle_mb = 0.0

    @property
    def session(self) -> int:
        assert self._process is not None
        return self._process.pid

    def endpoint(self, dialect: str) -> Endpoint | None:
        return self._kind.endpoint(self.place, dialect)

    def start(self) -> None:
        """Returns when the first request has been answered. Raises RuntimeError where that does not happen."""
        place = self.place
        place.folder.mkdir(parents=True, exist_ok=True)
        if self._kind.command is None:
            self.port = place.upstream
            return
        command = self._kind.command(place)
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        log = place.folder / "log.txt"
        with log.open("wb") as sink:
            started = time.monotonic()
            self._process = subprocess.Popen(
                command, cwd=place.folder, env={**environment, **self._kind.environment}, stdout=sink, stderr=sink,
                start_new_session=True,
            )  # fmt: skip
        while True:
            failure = self._ask()
            self.ready_seconds = time.monotonic() - started
            if not failure:
                break
            if self._process.poll() is not None or self.ready_seconds > 120:
                self.stop()
                raise RuntimeError(f"{self.name} does not answer ({failure}); its log is {log}")
            time.sleep(0.02)
        time.sleep(0.5)
        self.idle_mb = resident_mb(self.session)

    def _ask(self) -> str:
        endpoint = self.endpoint("openai")
        assert endpoint is not None
        headers = dict(header.split(": ", 1) for header in endpoint.headers)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{endpoint.path}",
            request_body(SCENARIOS["P1"], endpoint.model),
            {"content-type": "application/json", **headers},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as reply:
                return "" if b"the-end" in reply.read() else "another answer than the upstream's"
        except (OSError, urllib.error.HTTPError) as error:
            return str(error)

    def stop(self) -> None:
        if self._process is None:
            return
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for pid in processes(self.session):
                try:
                    os.kill(pid, signal_number)
                except OSError:
                    continue
            until = time.monotonic() + 5
            while processes(self.session) and time.monotonic() < until:
                self._process.poll()
                time.sleep(0.05)
        self._process.wait()
        self._process = None


# Ours, and the one whose configuration it shares.

PLUGINS = r"""
plugins:
  - {name: auth, type: basic-apikey-auth, priority: 1, config: {apikeys: [bench-key]}}
  - {name: router, type: model-router, priority: 2, config: {model: gpt-4o-mini, fallbacks: []}}
  - name: redact
    type: regex-hider
    priority: 3
    config:
      replacement: "[REDACTED]"
      patterns:
        - {pattern: '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}', applyTo: both}
        - {pattern: '\b\d{3}-\d{2}-\d{4}\b', applyTo: both}
"""

_READER = '''from llm_gateway_sdk import Plugin, plugin_metadata


@plugin_metadata(name="reader")
class Reader(Plugin):
    """Reads each reply after it has left, as a tracer does."""

    async def detached_after_response(self, ctx):
        if ctx.response is not None:
            ctx.metadata["length"] = len(ctx.response.text)
'''


def _configuration(place: Place) -> str:
    address = (
        f"https://127.0.0.1:{place.upstream_tls}" if place.setup == "tls" else f"http://127.0.0.1:{place.upstream}"
    )
    trust = f"\n        caFile: {place.certificate}" if place.setup == "tls" else ""
    text = f"""server:
  host: 127.0.0.1
  port: {place.port}
logging:
  level: error
models:
  - name: gpt-4o-mini
    isDefault: true
    provider:
      type: openai
      config:
        apiKey: sk-bench
        baseUrl: {address}/v1
        model: gpt-4o-mini{trust}
"""
    if place.setup in ("traced", "long"):
        text += f"""  - name: long
    provider: {{type: openai, config: {{apiKey: sk-bench, baseUrl: "{address}/v1", model: bench-c20000-p0}}}}
"""
    if place.setup == "traced":
        text += """plugins:
  - {name: reader, type: reader}
availablePlugins:
  - {path: ./reader.py}
"""
    if place.setup == "projects":
        text += "projects:\n" + "".join(f"  - name: project-{number}\n" for number in range(1, 51))
    if place.setup == "sqlite":
        url = sqlite_with_keys(place.keys, place.folder / "state.db")
        return text + f"store: {{url: '{url}'}}" + LIMITS
    if place.setup == "redis":
        # A deadline that a machine with other work does not pass: what is measured is CPU time.
        return (
            text + f"store: {{url: '{redis_with_keys(place.keys, place.redis)}', config: {{deadline: 5000}}}}" + LIMITS
        )
    return text + (PLUGINS if place.setup == "plugins" else "")


def _our_command(place: Place) -> list[str]:
    command = shlex.split(os.environ.get("BENCH_COMMAND", "")) or [sys.executable, "-m", "llm_gateway", "start"]
    return _start(command, place)


def _other_command(place: Place) -> list[str]:
    """Another version of this gateway, to be measured in the same rounds."""
    command = shlex.split(os.environ.get("BENCH_OTHER_COMMAND", ""))
    if not command:
        raise SystemExit("'other' needs BENCH_OTHER_COMMAND: the command that starts another version of the gateway")
    return _start(command, place)


def _start(command: list[str], place: Place) -> list[str]:
    (place.folder / "gateway.yaml").write_text(_configuration(place))
    (place.folder / "reader.py").write_text(_READER)
    workers = ["--workers", "4"] if place.setup == "workers" else []
    return [*command, "--config", str(place.folder / "gateway.yaml"), *workers]


def _nullplatform_command(place: Place) -> list[str]:
    (place.folder / "gateway.yaml").write_text(_configuration(place))
    script = peers_folder() / "nullplatform/node_modules/@nullplatform/llm-gateway/dist/cli.js"
    return ["node", str(script), "start", "--config", str(place.folder / "gateway.yaml")]


def _gateway_endpoint(place: Place, dialect: str) -> Endpoint:
    if place.setup in ("sqlite", "redis"):
        with key_file(place.keys).open() as keys:
            return Endpoint("/openai/v1/chat/completions", headers=[f"Authorization: Bearer {keys.readline().strip()}"])
    project = "/project-25" if place.setup == "projects" else ""
    if dialect == "openai":
        return Endpoint(f"{project}/openai/v1/chat/completions", headers=["Authorization: Bearer bench-key"])
    keys = ["x-api-key: bench-key", "Authorization: Bearer bench-key", "anthropic-version: 2023-06-01"]
    return Endpoint(f"{project}/anthropic/v1/messages", headers=keys)


# The others.


def _upstream_endpoint(_: Place, dialect: str) -> Endpoint:
    return Endpoint("/v1/chat/completions" if dialect == "openai" else "/v1/messages")


def nginx_program() -> str:
    return "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"


def _nginx_command(place: Place) -> list[str]:
    folder = place.folder
    paths = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_buffer_size 512k; client_max_body_size 64m; keepalive_requests 10000000; {paths}
  upstream model {{ server 127.0.0.1:{place.upstream}; keepalive 2048; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{place.port} backlog=4096;
    location / {{
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
    )
    return [nginx_program(), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]


def _portkey_command(place: Place) -> list[str]:
    script = peers_folder() / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    return ["node", str(script), f"--port={place.port}", "--headless"]


def _portkey_endpoint(place: Place, dialect: str) -> Endpoint | None:
    if dialect != "openai":
        return None  # "messages is not supported by openai"
    address = f"http://127.0.0.1:{place.upstream}/v1"
    headers = ["x-portkey-provider: openai", f"x-portkey-custom-host: {address}", "Authorization: Bearer sk-bench"]
    return Endpoint("/v1/chat/completions", headers=headers)


def _litellm_command(place: Place) -> list[str]:
    configuration = {
        "model_list": [
            {
                "model_name": "gpt-4o-mini",
                "litellm_params": {
                    "model": "openai/gpt-4o-mini",
                    "api_base": f"http://127.0.0.1:{place.upstream}/v1",
                    "api_key": "sk-bench",
                },
            }
        ],
        "litellm_settings": {
            "telemetry": False,
            "num_retries": 0,
            "drop_params": True,
            "use_chat_completions_url_for_anthropic_messages": True,
        },
        "router_settings": {"disable_cooldowns": True},
        "general_settings": {"disable_spend_logs": True},
    }
    (place.folder / "config.yaml").write_text(json.dumps(configuration))
    program = str(peers_folder() / "litellm/bin/litellm")
    return [program, "--config", str(place.folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(place.port),
            "--num_workers", "1", "--telemetry", "False"]  # fmt: skip


def _litellm_endpoint(place: Place, dialect: str) -> Endpoint:
    endpoint = _upstream_endpoint(place, dialect)
    endpoint.headers = ["Authorization: Bearer sk-any"]
    return endpoint


_ALL_SETUPS: tuple[Setup, ...] = (
    "plain", "plugins", "tls", "projects", "workers", "traced", "long", "sqlite", "redis",
)  # fmt: skip

GATEWAYS = {
    "direct": Kind(None, _upstream_endpoint, _ALL_SETUPS),
    "nginx": Kind(_nginx_command, _upstream_endpoint),
    "gateway": Kind(_our_command, _gateway_endpoint, _ALL_SETUPS),
    "other": Kind(_other_command, _gateway_endpoint, _ALL_SETUPS),
    "nullplatform": Kind(
        _nullplatform_command, _gateway_endpoint, ("plain", "plugins"), environment={"NODE_ENV": "production"}
    ),
    "portkey": Kind(
        _portkey_command,
        _portkey_endpoint,
        environment={"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
    ),
    "litellm": Kind(
        _litellm_command,
        _litellm_endpoint,
        environment={
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        },
    ),
}


def runs(name: str, scenario: Scenario) -> bool:
    """Whether a gateway takes part in a scenario. A bare proxy has no plugins: it is the measure next to them."""
    if scenario.only and name not in scenario.only:
        return False
    if name == "nginx":
        return scenario.setup in ("plain", "plugins", "tls", "projects", "workers", "sqlite", "redis")
    return scenario.setup in GATEWAYS[name].setups


def version_of(name: str) -> str:
    if name == "nginx":
        return say_version([nginx_program(), "-v"]).removeprefix("nginx version: ")
    if name in ("nullplatform", "portkey"):
        package = {"nullplatform": "@nullplatform/llm-gateway", "portkey": "@portkey-ai/gateway"}[name]
        found = peers_folder() / name / "node_modules" / package / "package.json"
        return f"{json.loads(found.read_text())['version']} on node {say_version(['node', '--version'])}"
    if name == "litellm":
        python = str(peers_folder() / "litellm/bin/python")
        return say_version([python, "-c", "import importlib.metadata as m; print(m.version('litellm'))"])
    if name == "gateway":
        head = say_version(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"])
        head = "no checkout" if head.startswith("fatal") else head
        return f"{importlib.metadata.version('llm-gateway')} ({head})"
    return ""
