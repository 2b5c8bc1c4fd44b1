"""Keys in other services are rotated while the gateway runs; a service that is away or hangs stops no request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from scripted_upstream import ScriptedUpstream
from secret_services import REFERENCES, SecretServices
from served_gateway import Serve, ServedGateway

SOURCES = sorted(REFERENCES)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[SecretServices]:
    found = SecretServices(tmp_path)
    yield found
    found.close()


def models(url: str) -> list[dict[str, object]]:
    """One whose key is a secret of each source."""
    return [
        {
            "name": source,
            "provider": {
                "type": "openai",
                "config": {"baseUrl": f"{url}/v1", "api": "chat", "apiKey": f"${{{REFERENCES[source]}}}"},
            },
        }
        for source in SOURCES
    ]


def test_keys_of_every_service_are_rotated_without_a_restart(
    serve: Serve, upstream: ScriptedUpstream, services: SecretServices
) -> None:
    services.value = "sk-first-value"
    gateway = serve({"models": models(upstream.url), "secrets": {"refresh": "200ms"}}, services.environ)
    client = gateway.openai()

    assert keys_of(client, upstream) == {"Bearer sk-first-value"}
    services.value = "sk-second-value"
    deadline = time.monotonic() + 20
    while keys_of(client, upstream) != {"Bearer sk-second-value"}:
        assert time.monotonic() < deadline, gateway.log
        time.sleep(0.1)
    services.value = None
    until_logged(gateway, "can't be read", count=len(SOURCES))
    assert all(f"{REFERENCES[source]} can't be read" in gateway.log for source in SOURCES)
    assert keys_of(client, upstream) == {"Bearer sk-second-value"}, "what was read stays"
    services.hung.set()
    began = time.monotonic()
    assert keys_of(client, upstream) == {"Bearer sk-second-value"}
    assert time.monotonic() - began < 5, "requests do not wait for the services"
    assert "-value" not in gateway.log


def test_check_names_each_secret_that_can_not_be_read(tmp_path: Path, services: SecretServices) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps({"models": models("http://127.0.0.1:9")}))
    command = [sys.executable, "-m", "llm_gateway", "check", "--config", str(file)]
    found = subprocess.run(
        command, env={**os.environ, **services.environ}, capture_output=True, text=True, check=False, timeout=100
    )

    assert found.returncode != 0
    for source in SOURCES:
        assert f"{REFERENCES[source]} can't be read" in found.stdout + found.stderr


def until_logged(gateway: ServedGateway, words: str, *, count: int) -> None:
    deadline = time.monotonic() + 20
    while gateway.log.count(words) < count:
        assert time.monotonic() < deadline, gateway.log
        time.sleep(0.1)


def keys_of(client: openai.OpenAI, upstream: ScriptedUpstream) -> set[str]:
    """What the provider gets as key, by the model of each source."""
    found = set()
    for source in SOURCES:
        messages = [{"role": "user", "content": "x"}]
        raw = client.chat.completions.with_raw_response.create(model=source, messages=messages)  # type: ignore[arg-type]
        found.add(upstream.received(raw.headers["x-request-id"])[-1].headers["authorization"])
    return found
