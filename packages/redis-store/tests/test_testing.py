"""Servers for tests: they start empty on free ports, and keep what they acknowledged over a kill."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import redis
from llm_gateway_redis_store.testing import Server, free_port, server_program

pytestmark = pytest.mark.skipif(server_program() is None, reason="redis-server is not installed")


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        server.command("SET", "a", "1")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            server.command("GET", "a")
        server.start()
        assert server.command("GET", "a") == b"1"
        server.flush()
        assert server.command("GET", "a") is None
    finally:
        server.kill()
    server.kill()


def test_a_server_that_is_paused_answers_late(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        pausing = threading.Thread(target=server.pause, args=(0.5,))
        pausing.start()
        time.sleep(0.1)
        began = time.monotonic()
        assert not server.holds("a")
        assert time.monotonic() - began > 0.2
        pausing.join()
    finally:
        server.kill()


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    server = Server(tmp_path, ["--no-such-option", "1"])

    with pytest.raises(RuntimeError, match=r"no-such-option|FATAL"):
        server.start()
    server.kill()


def test_a_port_leaves_room_for_that_of_the_cluster() -> None:
    assert all(0 < free_port() < 65536 - 10_000 for _ in range(20))
