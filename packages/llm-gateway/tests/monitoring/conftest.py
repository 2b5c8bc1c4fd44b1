"""Gateways that end with the test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from monitored_gateway import Monitored, Process


@pytest.fixture
def monitored() -> Iterator[Callable[..., Monitored]]:
    """Makes gateways in this process, watched as configured."""
    started: list[Monitored] = []

    def start(configuration: str, **options: Any) -> Monitored:
        client = Monitored(configuration, **options)
        started.append(client)
        return client

    yield start
    for client in started:
        client.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts gateways as processes of their own."""
    started: list[Process] = []

    def begin(configuration: str, *arguments: str) -> Process:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        process = Process(configuration, folder, *arguments)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.stop()
