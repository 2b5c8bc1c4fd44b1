"""What the tracer's tests share: the engine's HTTP front, tracers under load, and the count of what arrived."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_gateway_clickhouse_tracer.database.client import DatabaseFailure, connect
from llm_gateway_clickhouse_tracer.settings import TracerSettings

HERE = Path(__file__).parent


class Front:
    """The HTTP front of the engine, on one port and one folder for its whole life."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.folder = folder
        self.password = password
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(HERE / "engine_front.py")),
                *("--folder", str(self.folder), "--port", str(self.port), "--password", self.password),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("listening")

    def kill(self) -> None:
        if self.process is not None:
            end(self.process)
            self.process = None

    def fault(self, **values: float) -> dict[str, float]:
        """Sets faults, and returns what is still to come."""
        query = "&".join(f"{name}={value}" for name, value in values.items())
        with urllib.request.urlopen(f"{self.url}/_fault?{query}", timeout=10) as reply:
            left: dict[str, float] = json.load(reply)
            return left


class Producers:
    """Tracers under load, and what they acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acknowledged_file = folder / "acknowledged.txt"
        self.running: list[subprocess.Popen[str]] = []

    def start(
        self,
        config: dict[str, Any],
        prefix: str,
        *,
        seconds: float = 60,
        rate: float = 400,
        settle: float = 0,
        before: tuple[str, ...] = (),
    ) -> subprocess.Popen[str]:
        file = self.folder / f"{prefix}.json"
        file.write_text(json.dumps(config))
        arguments = [str(HERE / "producer.py"), str(file), str(self.acknowledged_file), prefix]
        process = subprocess.Popen(
            [
                *before,
                sys.executable,
                *arguments,
                "--seconds",
                str(seconds),
                "--rate",
                str(rate),
                "--settle",
                str(settle),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process

    @property
    def acknowledged(self) -> list[str]:
        # The log itself may have been cut by a kill: a line without its end is not an acknowledgement.
        return [
            line[:-1] for line in self.acknowledged_file.read_text().splitlines(keepends=True) if line.endswith("\n")
        ]


def end(process: subprocess.Popen[str]) -> None:
    """kill -9"""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    if process.stdout is not None:
        process.stdout.close()


def finish(process: subprocess.Popen[str], timeout: float = 60) -> dict[str, Any]:
    """Waits for a producer's end and returns its counters."""
    output, _ = process.communicate(timeout=timeout)
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
    return figures


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rows(config: dict[str, Any], columns: str = "*", rest: str = "") -> list[dict[str, Any]]:
    database = connect(TracerSettings.load(config).clickhouse)
    try:
        return database.query(f"SELECT {columns} FROM {database.table} {rest}")
    finally:
        database.close()


def send_what_is_left(config: dict[str, Any]) -> None:
    """What the operator's command `send` does: it sends what a tracer that has ended left in its spool.

    On a busy machine the process that sends gets no time before the tracer ends: then the records wait in the spool.
    """
    file = Path(config["spool"]["path"]).parent / "send.yaml"
    file.write_text(json.dumps({"plugins": [{"type": "clickhouse-tracer", "config": config}]}))
    program = "import sys; from llm_gateway_clickhouse_tracer.cli import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", program, "send", "--config", str(file)], timeout=60, check=False)


def assert_none_lost_none_doubled(config: dict[str, Any], acknowledged: list[str], *, seconds: float = 60) -> int:
    """Waits until all that was acknowledged is in the table; then nothing may be there twice. Returns their number."""
    assert acknowledged, "nothing was acknowledged: the test shows nothing"
    expected = set(acknowledged)
    until = time.monotonic() + seconds
    patience = time.monotonic() + seconds / 4
    while True:
        try:
            found = Counter(row["request_id"] for row in rows(config, "request_id"))
        except DatabaseFailure:
            found = Counter()
        missing = expected - found.keys()
        if not missing:
            break
        assert time.monotonic() < until, f"{len(missing)} of {len(expected)} acknowledged records are lost"
        if time.monotonic() > patience:
            send_what_is_left(config)
        time.sleep(0.3)
    doubled = [request_id for request_id, count in found.items() if count > 1]
    assert not doubled, f"{len(doubled)} records are in the table twice"
    return len(expected)


def eventually(condition: Callable[[], object], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.05)
