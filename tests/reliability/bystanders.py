"""Clients that ask while others send heavy requests: how long the gateway keeps them waiting.

What counts is how long the gateway worked before it answered, where that is shorter than the time on the clock, less
the time in which its event loop waited for a processor: a machine that is busy with other programs makes no request
wait for another.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Bystanders", "send_raw"]


@dataclass
class Bystanders:
    """Two clients with connections that stay open: one asks `/health/live`, one a small chat completion, but for an
    empty `model`."""

    port: int
    model: str
    pid: int
    """Of the gateway."""
    health: list[tuple[float, float]] = field(default_factory=list)
    """(when it was asked, seconds until the answer)"""
    small: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        chat = {"model": self.model, "messages": [{"role": "user", "content": "hello"}]}
        asked = [
            (self.health, _request("GET", "/health/live", None)),
            (self.small, _request("POST", "/openai/v1/chat/completions", chat)),
        ][: 2 if self.model else 1]
        self._threads = [threading.Thread(target=self._ask, args=pair, daemon=True) for pair in asked]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)

    def longest(self, since: float) -> float:
        """Seconds that the slowest health answer took of those that were asked after `since`."""
        return max([taken for asked, taken in self.health if asked >= since], default=0.0)

    def settle(self) -> None:
        """Returns when a health request that was sent after this call has been answered, so that what the gateway does
        after its reply to another request is seen, too."""
        now = time.perf_counter()
        while not (self.health and self.health[-1][0] > now):
            time.sleep(0.001)

    def p99(self, since: float = 0.0) -> float:
        """Seconds that the slowest of a hundred small requests took, of those that were asked after `since`."""
        taken = sorted(taken for asked, taken in self.small if asked >= since)
        return taken[int(len(taken) * 0.99)] if taken else 0.0

    def _ask(self, answers: list[tuple[float, float]], request: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            while not self._stopped.is_set():
                asked, (worked, queued) = time.perf_counter(), _seconds(self.pid)
                connection.sendall(request)
                _read_reply(connection)
                taken = time.perf_counter() - asked
                worked_then, queued_then = _seconds(self.pid)
                answers.append((asked, min(max(0.0, taken - (queued_then - queued)), worked_then - worked)))
                time.sleep(0.004)


def send_raw(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and beginning of the body of the reply to a POST, read to its end."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(120)
        connection.sendall(_head("POST", path, len(body), {"connection": "close", **(headers or {})}))
        try:
            connection.sendall(body)
        except ConnectionError:
            pass  # refused from its head
        reply = b""
        while data := connection.recv(1 << 20):
            if len(reply) < 1 << 16:
                reply += data
    head, _, rest = reply.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), rest


def _seconds(pid: int) -> tuple[float, float]:
    """Processor time that all threads of a process have used, infinite where the system does not state it, and how long
    the main thread has waited for a processor."""
    try:
        times = [task.read_text().split()[0] for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        queued = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]
    except OSError:
        return float("inf"), 0.0
    return sum(map(int, times)) / 1e9 if times else float("inf"), int(queued) / 1e9


def _request(method: str, path: str, body: Any) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    return _head(method, path, len(data), {}) + data


def _head(method: str, path: str, length: int, headers: dict[str, str]) -> bytes:
    given = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(length), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def _read_reply(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].split(b" ")[1] == b"200", data
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    left = length - len(rest)
    while left > 0:
        left -= len(_received(connection))


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the gateway closed the connection")
    return data
