"""Real servers for tests: one, or a cluster of three, on free ports of this machine, with what they wrote kept over a
restart. Needs the program `redis-server` or `valkey-server`."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import redis

__all__ = ["ClusterServers", "Server", "server_program"]


def server_program() -> str | None:
    """The program, None where it is not installed."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def free_port() -> int:
    """A port below the range from which the system gives ports to connections, which a cluster's second port needs."""
    while True:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = int(taken.getsockname()[1])
        if port + 10_000 < 65536:
            return port
        with contextlib.suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", port - 20_000))
            return port - 20_000


class Server:
    """One server."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._folder = folder / str(self.port)
        self._folder.mkdir(parents=True)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        program = server_program()
        assert program is not None
        command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no", *self._options,
        ]  # fmt: skip
        with open(self._folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(200):
            with contextlib.suppress(redis.RedisError, OSError), self.client() as client:
                client.ping()
                return
            time.sleep(0.05)
        raise RuntimeError((self._folder / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        """Ends it by force."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def command(self, *parts: str | int) -> object:
        with self.client() as client:
            return client.execute_command(*parts)

    def flush(self) -> None:
        self.command("FLUSHALL")


class ClusterServers:
    """Three servers that share the slots of a cluster."""

    def __init__(self, folder: Path) -> None:
        self.servers = [
            Server(folder, ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")) for _ in range(3)
        ]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    def start(self) -> None:
        for server in self.servers:
            server.start()
        share = 16384 // 3
        first = self.servers[0]
        for number, server in enumerate(self.servers):
            end = 16383 if number == 2 else (number + 1) * share - 1
            server.command("CLUSTER", "ADDSLOTSRANGE", number * share, end)
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number:
                first.command("CLUSTER", "MEET", "127.0.0.1", server.port)
        self.wait()

    def wait(self) -> None:
        """Until every server knows the whole cluster."""
        for _ in range(400):
            infos = [str(server.command("CLUSTER", "INFO")) for server in self.servers]
            if all("cluster_state:ok" in info or "'cluster_state': 'ok'" in info for info in infos) and all(
                "cluster_known_nodes:3" in info or "'cluster_known_nodes': '3'" in info for info in infos
            ):
                return
            time.sleep(0.05)
        raise RuntimeError("the cluster does not come together")

    def restart(self) -> None:
        for server in self.servers:
            server.kill()
        for server in self.servers:
            server.start()
        self.wait()

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def flush(self) -> None:
        for server in self.servers:
            server.flush()
