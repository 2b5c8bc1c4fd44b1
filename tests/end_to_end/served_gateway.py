"""The real gateway for tests: `llm-gateway start` as its own process, on a free port."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import anthropic
import httpx
import openai

from llm_gateway.testing.processes import GatewayProcess

START_SECONDS = 90


class ServedGateway:
    """A gateway that answers, under its own server or another for ASGI. `url` has no path."""

    def __init__(
        self,
        config: Mapping[str, Any] | str,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        asgi: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.has_own_server = not asgi
        file = folder / "gateway.yaml"
        file.write_text(config if isinstance(config, str) else json.dumps(config))
        self._log = folder / "gateway.log"
        self._clients: dict[tuple[str, str, str, str], Any] = {}
        self._others: list[Any] = []
        given = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
        given.update(environ or {})
        address = ["--host", "127.0.0.1", "--port", "0"]
        self.process: GatewayProcess | subprocess.Popen[bytes]
        if asgi:
            given["LLM_GATEWAY_CONFIG"] = str(file)
            command = [sys.executable, "-m", "uvicorn", "--factory", "llm_gateway.asgi:application", *address]
            with self._log.open("w") as log:
                self.process = subprocess.Popen(command, cwd=folder, env=given, stdout=log, stderr=log)
        else:
            arguments = ["start", "--config", str(file), *address]
            self.process = GatewayProcess(arguments, cwd=folder, env=given, output=self._log)
        try:
            self.url = self._address()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text()

    def _address(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"(?:Address\s+|running on )http://[\d.]+:(\d+)", self.log)
            if found is not None:
                url = f"http://127.0.0.1:{found[1]}"
                try:
                    httpx.get(f"{url}/health/live", trust_env=False)
                    return url
                except httpx.TransportError:
                    pass
            time.sleep(0.05)
        raise AssertionError(f"the gateway did not start:\n{self.log}")

    def stop(self, timeout: float = 20) -> int:
        """Ends it as an operator would; its exit status."""
        for client in (*self._clients.values(), *self._others):
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def closes(self, client: Any) -> Any:
        """A client that a test made for this gateway; it is closed when the gateway is stopped."""
        self._others.append(client)
        return client

    def openai(self, project: str = "", *, adapter: str = "/openai", api_key: str = "sk-test") -> openai.OpenAI:
        """The official client, for which only the base URL is changed."""
        key = ("openai", project, adapter, api_key)
        if key not in self._clients:
            # Proxies of the environment are not for the loopback address.
            http = openai.DefaultHttpxClient(trust_env=False)
            self._clients[key] = openai.OpenAI(
                base_url=f"{self.url}{project}{adapter}/v1",
                api_key=api_key,
                max_retries=0,
                timeout=20,
                http_client=http,
            )
        return self._clients[key]

    def anthropic(
        self, project: str = "", *, adapter: str = "/anthropic", api_key: str = "sk-test"
    ) -> anthropic.Anthropic:
        """The official client, for which only the base URL is changed."""
        key = ("anthropic", project, adapter, api_key)
        if key not in self._clients:
            http = anthropic.DefaultHttpxClient(trust_env=False)
            self._clients[key] = anthropic.Anthropic(
                base_url=f"{self.url}{project}{adapter}", api_key=api_key, max_retries=0, timeout=20, http_client=http
            )
        return self._clients[key]

    def http(self, **options: Any) -> httpx.Client:
        """A plain client with this base URL."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=20, **options)


def new_request_id() -> str:
    """One for a request that a test wants to find again at the upstream."""
    return f"req_{uuid4().hex}"


Serve = Callable[..., ServedGateway]
"""The fixture `serve`: starts a gateway from a configuration."""


def model(name: str, provider: str, **config: Any) -> dict[str, Any]:
    """A model of the configuration, named after the API of the scripted upstream that it calls."""
    settings = {"apiKey": "sk-upstream", "model": f"{name}-model", "retryAttempts": 1, **config}
    return {"name": name, "provider": {"type": provider, "config": settings}}
