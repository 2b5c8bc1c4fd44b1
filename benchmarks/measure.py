"""Runs scenarios: the upstream, the gateways, the load, and the clocks around them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .gateways import GATEWAYS, Place, Running, nginx_program, runs, version_of
from .keys import key_file, ranked_key_file, redis_running
from .machine import PeakMemory, cpu_seconds, describe
from .scenarios import SCENARIOS, Scenario, Setup, request_body

__all__ = ["build_tools", "run"]

Row = dict[str, Any]
_SLOW = ("nullplatform", "portkey", "litellm")
"""They get one request per connection where a scenario has a fixed number of them."""


def work_folder() -> Path:
    return Path(os.environ.get("BENCH_WORK") or Path.home() / ".cache" / "llm-gateway-benchmarks" / "work")


def build_tools() -> None:
    """Compiles the upstream and the load generator where they are older than their sources."""
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    work_folder().mkdir(parents=True, exist_ok=True)
    for name in ("mock_upstream", "load"):
        source, program = Path(__file__).parent / f"{name}.c", work_folder() / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)


def run(
    gateways: Sequence[str], scenarios: Sequence[str], *, rounds: int, results: Path, seconds_factor: float = 1.0
) -> None:
    """Appends one line per measurement to `results`. Every round runs all gateways of a scenario after one another, so
    that what else the machine does meets them alike."""
    build_tools()
    results.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack, results.open("a") as sink:
        upstream = stack.enter_context(_Upstream.started())
        if any(SCENARIOS[name].setup == "redis" for name in scenarios):
            upstream.redis = stack.enter_context(redis_running(work_folder() / "redis"))
        instances: dict[tuple[str, Setup], Running | None] = {}

        def write(row: Row) -> None:
            sink.write(json.dumps(row) + "\n")
            sink.flush()

        write({"machine": describe(), "versions": {name: version_of(name) for name in gateways}})
        for name in scenarios:
            scenario = SCENARIOS[name]
            taking_part = [gateway for gateway in gateways if runs(gateway, scenario)]
            for number in range(rounds):
                for gateway in taking_part:
                    setup: Setup = "plain" if gateway in ("direct", "nginx") else scenario.setup
                    key = (gateway, setup)
                    if key not in instances:
                        instances[key] = instance = _start(gateway, setup, upstream)
                        if instance is not None:
                            stack.callback(instance.stop)
                            write(
                                {"gateway": gateway, "setup": setup, "idle_mb": round(instance.idle_mb, 1),
                                 "ready_seconds": round(instance.ready_seconds, 2)}
                            )  # fmt: skip
                    running = instances[key]
                    if running is None or running.endpoint(scenario.dialect) is None:
                        continue
                    if scenario.requests and gateway in _SLOW and number > 0:
                        continue  # these take minutes: once is enough
                    row = _measure(running, scenario, upstream, seconds_factor)
                    row = {"scenario": name, "gateway": gateway, "round": number, **row}
                    write(row)
                    print(_line(row), flush=True)


def _start(gateway: str, setup: Setup, upstream: _Upstream) -> Running | None:
    folder = work_folder() / f"{gateway}-{setup}"
    ports = _free_port(), upstream.port, upstream.tls_port
    place = Place(folder, *ports, upstream.certificate, setup, work_folder() / "keys", upstream.redis)
    running = Running(gateway, place)
    try:
        running.start()
    except (RuntimeError, OSError) as error:
        print(f"{gateway} ({setup}) is left out: {error}", flush=True)
        return None
    return running


def _measure(running: Running, scenario: Scenario, upstream: _Upstream, seconds_factor: float) -> Row:
    endpoint = running.endpoint(scenario.dialect)
    assert endpoint is not None
    slow = running.name in _SLOW
    requests = scenario.requests if not slow else min(scenario.requests, scenario.connections)
    body = work_folder() / "body.json"
    body.write_bytes(request_body(scenario, endpoint.model))
    session = upstream.session if GATEWAYS[running.name].command is None else running.session
    command = [str(work_folder() / "load"), "-p", str(running.port), "-u", endpoint.path, "-b", str(body)]
    command += ["-c", str(scenario.connections), "-r", str(scenario.ramp)]
    if scenario.keys is not None:
        keys = work_folder() / "keys"
        command += ["-k", str(ranked_key_file(keys) if scenario.keys == "by rank" else key_file(keys))]
        command += [] if scenario.keys == "one per connection" else ["-K"]
    else:
        for header in endpoint.headers:
            command += ["-H", header]
    if scenario.streamed:
        command.append("-s")
    upstream.control(latency=0, pace=0, chunks=10, size=160)
    if not requests:
        warm_up = min(scenario.connections, 4 if slow else 64)
        subprocess.run([*command, "-n", str(warm_up)], capture_output=True, check=True)
        command += ["-d", f"{scenario.seconds * seconds_factor:.2f}"]
    else:
        command += ["-n", str(requests)]
    upstream.control(latency=scenario.latency, pace=scenario.pace, chunks=scenario.chunks, size=scenario.size)
    upstream.control(reset=1)
    with ExitStack() as stack:
        memory = stack.enter_context(PeakMemory(session))
        if scenario.long_stream:
            stack.enter_context(_long_streams(running, endpoint.path, direct=running.name == "direct"))
        cpu = cpu_seconds(session)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        cpu = cpu_seconds(session) - cpu
    counters = upstream.control()
    result: Row = json.loads(done.stdout)
    answered = max(result["good"] + result["bad"], 1)
    row: Row = {
        "good": result["good"],
        "bad": result["bad"],
        "per_second": round(result["good"] / result["seconds"], 1),
        "cpu_ms": round(cpu * 1e3 / answered, 4),
        "latency": result["latency"],
        "peak_mb": round(memory.mb, 1),
        "most_in_flight": counters["most_in_flight"],
        "load": round(os.getloadavg()[0], 1),
    }
    if result["failure"]:
        row["failure"] = result["failure"]
    if scenario.streamed:
        chunks = max(counters["chunks"], 1)
        row["cpu_us_chunk"] = round(cpu * 1e6 / chunks, 3)
        row["first_word"] = result["first_word"]
        row["gap"] = result["gap"]
        row["words_per_chunk"] = round(result["words"] / chunks, 4)
        row["duplicates"], row["missing"] = result["duplicates"], result["missing"]
    return row


@contextmanager
def _long_streams(running: Running, path: str, *, direct: bool) -> Iterator[None]:
    """Another client that asks for a stream of 20,000 chunks each second."""
    model = "bench-c20000-p0" if direct else "long"
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "go on"}]}).encode()
    over = threading.Event()

    def ask() -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not over.is_set():
            request = urllib.request.Request(
                f"http://127.0.0.1:{running.port}{path}", body, {"content-type": "application/json"}
            )
            with opener.open(request, timeout=60) as reply:
                while reply.read(1 << 16):
                    pass
            over.wait(1.0)

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield
    finally:
        over.set()
        client.join()


class _Upstream:
    """The mock, and nginx in front of it for TLS."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.tls_port = _free_port()
        self.redis = 0
        """The port of the Redis next to it; 0 where there is none."""
        self.folder = work_folder() / "upstream"
        self.certificate = self.folder / "certificate.pem"
        self._processes: list[subprocess.Popen[bytes]] = []

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[_Upstream]:
        upstream = cls()
        try:
            upstream._start()
            yield upstream
        finally:
            for process in upstream._processes:
                process.terminate()
                process.wait()

    @property
    def session(self) -> int:
        return self._processes[0].pid

    def control(self, **settings: int) -> dict[str, int]:
        query = "&".join(f"{name}={value}" for name, value in settings.items())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/control?{query}", timeout=10) as reply:
            counters: dict[str, int] = json.loads(reply.read())
        return counters

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spawn([str(work_folder() / "mock_upstream"), str(self.port)])
        if shutil.which("openssl") and (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
            self._start_tls()
        until = time.monotonic() + 5
        while True:
            try:
                self.control()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _start_tls(self) -> None:
        folder, key = self.folder, self.folder / "key.pem"
        if not self.certificate.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-days", "3650", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", str(key), "-out", str(self.certificate)],
                check=True, capture_output=True,
            )  # fmt: skip
        (folder / "nginx.conf").write_text(
            f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_buffer_size 512k; client_max_body_size 64m; keepalive_requests 10000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream model {{ server 127.0.0.1:{self.port}; keepalive 2048; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{self.tls_port} ssl backlog=4096;
    ssl_certificate {self.certificate}; ssl_certificate_key {key};
    location / {{
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
        )
        self._spawn([nginx_program(), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])

    def _spawn(self, command: list[str]) -> None:
        self._processes.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _line(row: Row) -> str:
    cost = f"{row['cpu_us_chunk']:8.1f} µs/chunk" if "cpu_us_chunk" in row else ""
    latency = row["latency"]
    return (
        f"{row['scenario']:13} {row['gateway']:13} {row['good']:6} good {row['bad']:4} bad"
        f" {row['cpu_ms']:9.3f} ms/request{cost:19}"
        f" p50 {latency.get('p50', 0):8.2f} p99 {latency.get('p99', 0):8.2f} ms"
        f" peak {row['peak_mb']:6.1f} MB load {row['load']}"
    )
