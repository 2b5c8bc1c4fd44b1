"""One upstream of five APIs, a gateway before it, and one whose router has somewhere to go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent.parent
# At the end: a `conftest` next to a test that imports it by that name comes first.
sys.path += [
    str(TESTS / "errors"),
    str(TESTS / "compatibility"),
    str(TESTS / "end_to_end"),
    str(TESTS.parent / "tools"),
]

from five_apis import DIALECTS, FiveApis, models_of  # noqa: E402
from served_gateway import ServedGateway  # noqa: E402


@pytest.fixture(scope="session")
def apis() -> Iterator[FiveApis]:
    server = FiveApis()
    yield server
    server.close()


@pytest.fixture(scope="session")
def gateway(apis: FiveApis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    """A model for each API, named after it; a project for each that falls back on another, `from-NAME`."""
    config: dict[str, Any] = {"models": models_of(apis.url)}
    config["models"].append(
        {"name": "spare", "provider": {"type": "echo", "config": {"reply": "the spare model answers"}}}
    )
    # A breaker lets those that have failed rest: these do not fail.
    steady = [{**model, "name": f"steady_{model['name']}"} for model in models_of(apis.url)]
    config["models"] += steady
    config["projects"] = [
        {
            "name": f"from-{name.replace('_', '-')}",
            "plugins": [{"name": "router", "type": "model-router", "config": {"model": name, "fallbacks": ["spare"]}}],
        }
        for name in (*DIALECTS, *(model["name"] for model in steady))
    ]
    served = ServedGateway(config, tmp_path_factory.mktemp("errors"))
    yield served
    served.stop()
