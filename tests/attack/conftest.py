"""Gateways and providers of one module: started when a test asks for them, ended with the module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from under_attack import Answer, Attacked, Provider, answering


@pytest.fixture(scope="module")
def provide() -> Iterator[Callable[..., Provider]]:
    """Starts providers."""
    started: list[Provider] = []

    def start(answer: Answer | None = None) -> Provider:
        started.append(Provider(answer or answering()))
        return started[-1]

    yield start
    for provider in started:
        provider.close()


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Attacked]]:
    """Starts gateways; `files` are written next to the configuration."""
    started: list[Attacked] = []

    def start(
        config: Mapping[str, Any], *options: str, files: Mapping[str, str] | None = None, **further: Any
    ) -> Attacked:
        folder = tmp_path_factory.mktemp("attacked")
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        started.append(Attacked(config, folder, *options, **further))
        return started[-1]

    yield start
    for attacked in started:
        attacked.stop()
