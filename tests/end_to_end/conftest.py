"""The upstream and the gateways that the tests share: processes are started once for all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
PACKAGES = Path(__file__).resolve().parent.parent.parent / "packages"
sys.path += [str(PACKAGES / cloud / "tests") for cloud in ("azure", "vertex")]

from scripted_upstream import ScriptedUpstream  # noqa: E402
from served_gateway import Serve, ServedGateway, model  # noqa: E402


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream()
    yield server
    server.close()


@pytest.fixture(scope="session")
def models(upstream: ScriptedUpstream) -> list[dict[str, Any]]:
    """One model for each API of the upstream, named after it."""
    return [
        model("chat", "openai", baseUrl=f"{upstream.url}/v1", api="chat"),
        model("messages", "anthropic", baseUrl=upstream.url),
        model("responses", "openai", baseUrl=f"{upstream.url}/v1", api="responses"),
    ]


@pytest.fixture(scope="session")
def gateway(models: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    """Those models and no plugin."""
    served = ServedGateway({"models": models}, tmp_path_factory.mktemp("gateway"))
    yield served
    served.stop()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts gateways that end with the module."""
    started: list[ServedGateway] = []

    def start(config: Any, environ: dict[str, str] | None = None, folder: Path | None = None) -> ServedGateway:
        served = ServedGateway(config, folder or tmp_path_factory.mktemp("served"), environ)
        started.append(served)
        return served

    yield start
    for served in started:
        served.stop()
