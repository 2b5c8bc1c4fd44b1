"""The administration surface on its own port, with one worker and with several."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from llm_gateway.testing.processes import GatewayProcess

KEY = "an-administration-key"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str, key: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def wait_until_it_answers(port: int, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            get(port, "/admin/config/version", KEY)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the gateway did not start")


@pytest.mark.parametrize("workers", [1, 2])
def test_admin_pages_are_on_their_own_port_alone_and_answer_for_all_workers(workers: int, tmp_path: Path) -> None:
    port, admin_port = free_port(), free_port()
    config = tmp_path / "gateway.yaml"
    settings = {
        "server": {"host": "127.0.0.1", "port": port},
        "models": [{"name": "m", "isDefault": True, "provider": {"type": "echo"}}],
        "admin": {"enabled": True, "apiKey": KEY, "port": admin_port},
    }
    config.write_text(json.dumps(settings))
    process = GatewayProcess(["start", "--config", str(config), "--workers", str(workers)])
    try:
        wait_until_it_answers(admin_port)
        assert get(admin_port, "/admin/config/version")[0] == 401
        until = time.monotonic() + 10
        while True:
            status, body = get(admin_port, "/admin/config/version", KEY)
            answer = json.loads(body)
            if len(answer["workers"]) == workers or time.monotonic() > until:
                break
            time.sleep(0.1)  # the other worker is still starting
        assert (status, len(answer["workers"]), answer["consistent"]) == (200, workers, True)
        assert get(port, "/admin/config/version", KEY)[0] == 404
    finally:
        process.terminate()
        assert process.wait(20) == 0
