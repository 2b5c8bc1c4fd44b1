"""Real servers for tests: one, a pair that sentinels watch, or a cluster of three, on free ports of this machine, with
what they wrote kept over a restart. Needs the program `redis-server` or `valkey-server`."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import redis

__all__ = ["ClusterServers", "SentinelServers", "Server", "ToxicProxy", "server_program"]


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
            if self._process.poll() is not None:
                break  # it has ended: the log has the reason
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

    def pause(self, seconds: float) -> None:
        """Stops it for so long. What is sent to it meanwhile waits."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def command(self, *parts: str | int) -> object:
        with self.client() as client:
            return client.execute_command(*parts)

    def holds(self, key: str) -> bool:
        """Whether the key is on this server of a cluster."""
        try:
            return bool(self.command("EXISTS", key))
        except redis.ResponseError:
            return False

    @property
    def node(self) -> str:
        """Its name in a cluster."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return str(client.execute_command("CLUSTER", "MYID"))

    def has(self, slot: int) -> bool:
        """Whether this server of a cluster answers for the slot."""
        ranges = self.command("CLUSTER", "SLOTS")
        assert isinstance(ranges, list)
        return any(start <= slot <= end and owner[1] == self.port for start, end, owner, *_ in ranges)

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

    def move(self, key: str, *, pause: float) -> int:
        """Moves the key's slot to another server while it is in use, as `redis-cli --cluster reshard` does, with
        `pause` seconds after each key. Returns how many keys there were."""
        slot = int(str(self.servers[0].command("CLUSTER", "KEYSLOT", key)))
        source = next(server for server in self.servers if server.has(slot))
        target = next(server for server in self.servers if server is not source)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node)
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node)
        moved = 0
        while found := source.command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            assert isinstance(found, list)
            source.command("MIGRATE", "127.0.0.1", target.port, found[0], 0, 5000)
            moved += 1
            time.sleep(pause)
        for server in sorted(self.servers, key=[target, source].__contains__, reverse=True):
            server.command("CLUSTER", "SETSLOT", slot, "NODE", target.node)
        return moved

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


class SentinelServers:
    """Two servers, of which one follows the other, and three sentinels that make the follower the master where the
    master has not answered for half a second."""

    service = "main"

    def __init__(self, folder: Path) -> None:
        self.servers = [Server(folder), Server(folder)]
        self._folder = folder
        self._ports: list[int] = []
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{self.service}"

    @property
    def master(self) -> Server:
        """The server that the sentinels name."""
        with redis.Redis(port=self._ports[0]) as sentinel:
            _, port = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return next(server for server in self.servers if server.port == int(port))

    def start(self) -> None:
        master, follower = self.servers
        master.start()
        follower.start()
        follower.command("REPLICAOF", "127.0.0.1", master.port)
        program = server_program()
        assert program is not None
        for number in range(3):
            port = free_port()
            file = self._folder / f"sentinel-{number}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
                f"sentinel monitor {self.service} 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds {self.service} 500\n"
                f"sentinel failover-timeout {self.service} 2000\n"
            )
            with open(self._folder / f"sentinel-{number}.log", "ab") as log:
                self._sentinels.append(subprocess.Popen([program, str(file), "--sentinel"], stdout=log, stderr=log))
            self._ports.append(port)
        self.wait()

    def wait(self) -> None:
        """Until the follower has all that the master has, and every sentinel knows the follower and the others."""
        for _ in range(400):
            with contextlib.suppress(redis.RedisError, OSError, StopIteration):
                known = [self._known(port) for port in self._ports]
                if all(each == (1, 2) for each in known) and self._follows():
                    return
            time.sleep(0.05)
        raise RuntimeError("the sentinels do not come together")

    def _known(self, port: int) -> tuple[int, int]:
        with redis.Redis(port=port, decode_responses=True) as sentinel:
            found = sentinel.sentinel_master(self.service)
            followers = [each for each in sentinel.sentinel_slaves(self.service) if each["is_slave"]]
        ready = [each for each in followers if not each["is_disconnected"] and not each["is_sdown"]]
        return len(ready), int(found["num-other-sentinels"])

    def _follows(self) -> bool:
        follower = next(server for server in self.servers if server is not self.master)
        with follower.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def fail_over(self) -> None:
        """Kills the master, and starts it again as the follower of the one that has taken its place."""
        if any(self._known(port) != (1, 2) for port in self._ports):
            # They look at a server every ten seconds; after this they do so at once.
            for port in self._ports:
                with redis.Redis(port=port) as sentinel:
                    sentinel.execute_command("SENTINEL", "RESET", self.service)
        self.wait()
        old = self.master
        old.command("WAIT", 1, 1000)
        old.kill()
        until = time.monotonic() + 30
        while self.master is old:
            if time.monotonic() > until:
                raise RuntimeError("the follower does not take over")
            time.sleep(0.05)
        old.start()
        old.command("REPLICAOF", "127.0.0.1", self.master.port)

    def kill(self) -> None:
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait()
        for server in self.servers:
            server.kill()

    def flush(self) -> None:
        """Empties both servers: on a busy machine the sentinels may make the follower the master at any time, and it
        must not bring back what was there before."""
        for _ in range(400):
            with contextlib.suppress(redis.RedisError, OSError, StopIteration):
                master = self.master
                master.flush()
                if master.command("WAIT", 1, 1000) == 1 and self._are_empty() and self.master is master:
                    return
            time.sleep(0.05)
        raise RuntimeError("the follower does not follow")

    def _are_empty(self) -> bool:
        return not any(server.command("DBSIZE") for server in self.servers)


class ToxicProxy:
    """Between a client and a server on this machine: `delay` seconds before each piece goes on, or nothing goes at
    all. Of the next `lost` answers the connection is closed instead."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.delay = 0.0
        self.gone = False
        self.lost = 0
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.gone:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # the server is not there now
                near.close()
                continue
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, target, source is far), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                time.sleep(self.delay)
                if answers and self.lost:
                    self.lost -= 1
                    return
                target.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, target):
                with contextlib.suppress(OSError):  # `close` alone waits for the other thread's `recv`
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def vanish(self) -> None:
        """Closes all connections and takes no more, until `gone` is False again."""
        self.gone = True
        for each in self._sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self.vanish()
        self._listener.close()
