"""Whole gateways in this process, watched as configured; and some as processes of their own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.server.app import GatewayApp
from llm_gateway.server.control import Control
from llm_gateway.server.generation import Generation
from llm_gateway.server.management import build_management, management_paths
from llm_gateway.server.observers import make_observers
from llm_gateway.testing import GatewayClient
from llm_gateway.testing.processes import GatewayProcess

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Monitored(GatewayClient):
    """A gateway client with the observers that its configuration asks for, or with others."""

    def __init__(self, configuration: str, *, observers: Sequence[Any] | None = None, **options: Any) -> None:
        self._given = observers
        self.metrics: Any = None
        self.text = configuration
        super().__init__(configuration, **options)

    async def _start(self, loaded: Any) -> None:
        observers = self._given
        if observers is None:
            observers, self.metrics = make_observers(loaded)
        self.gateway = Gateway(loaded, observers=[self._watch, *observers])
        await self.gateway.start()
        self.control = self._control = Control(
            self.gateway, metrics=self.metrics, reload_config=lambda: load_text(self.text)
        )
        management = build_management(loaded.config, self.control)
        self.app = self._app = GatewayApp(Generation(self.gateway), management, management_paths(loaded.config))
        self.control.app = self._app
        for observer in observers:
            observer.watch(self.control)
        await self.control.startup()

    def scrape(self, accept: str = "") -> Samples:
        answer = self.get("/metrics", headers={"accept": accept} if accept else {})
        assert answer.status == 200
        return samples_of(answer.text)

    def reload(self) -> dict[str, Any]:
        return self._run(self.control.reload_here())


def samples_of(text: str) -> Samples:
    """What Prometheus' own parser reads; fails on samples that are reported twice."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """The sum of the samples of a name that have these labels; None where there is none."""
    wanted = {(key.rstrip("_"), text) for key, text in labels.items()}
    found = [number for (each, its), number in samples.items() if each == name and wanted <= its]
    return sum(found) if found else None


class Process:
    """`llm-gateway start` as its own process."""

    def __init__(self, configuration: str, folder: Path, *arguments: str) -> None:
        file = folder / "gateway.yaml"
        file.write_text(configuration)
        self.file = file
        self._log = folder / "gateway.log"
        command = ["start", "--config", str(file), "--port", "0", *arguments]
        self.process = GatewayProcess(command, cwd=folder, output=self._log)
        self.url = self._address()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _address(self) -> str:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"(?:Address\s+|listening on )http://[\d.]+:(\d+)", self.log)
            if found is not None:
                try:
                    url = f"http://127.0.0.1:{found[1]}"
                    urllib.request.urlopen(f"{url}/health/live", timeout=5).read()
                    return url
                except OSError:
                    pass
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"the gateway did not start:\n{self.log}")

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=15) as reply:
            return str(reply.read().decode())

    def chat(self, content: str, **fields: Any) -> int:
        body = json.dumps({"model": "any", "messages": [{"role": "user", "content": content}], **fields}).encode()
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", body, {"content-type": "application/json", "connection": "close"}
        )
        with urllib.request.urlopen(request, timeout=15) as reply:
            reply.read()
            return int(reply.status)

    def scrape(self) -> Samples:
        return samples_of(self.get("/metrics"))

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
