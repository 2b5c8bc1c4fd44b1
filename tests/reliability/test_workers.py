"""Several worker processes: one configuration, one address, signals, and a worker that dies."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_gateway.testing.processes import GatewayProcess

ADMIN = {"enabled": True, "apiKey": "admin-key-for-tests"}
KEY = {"authorization": "Bearer admin-key-for-tests"}
CHAT = "/openai/v1/chat/completions"


def settings(prefix: str, **changes: Any) -> str:
    echo = {"type": "echo", "config": {"prefix": prefix, "delay": "40ms"}}
    return json.dumps({"models": [{"name": "m", "isDefault": True, "provider": echo}], "admin": ADMIN, **changes})


Running = tuple[GatewayProcess, httpx.Client, Path]


@contextmanager
def started(folder: Path, *options: str, **changes: Any) -> Iterator[Running]:
    file = folder / "gateway.yaml"
    file.write_text(settings("one ", **changes))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "gateway.log"
    command = ["start", "--config", str(file), "--host", "127.0.0.1", "--port", str(port), *options]
    process = GatewayProcess(command, output=log)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                client.get("/health/live")
                break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield process, client, file
    finally:
        client.close()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def version(client: httpx.Client) -> Any:
    return client.get("/admin/config/version", headers=KEY).json()


def until_consistent(client: httpx.Client, workers: int, former: str) -> float:
    started_at = time.monotonic()
    while True:
        reported = version(client)
        if reported["consistent"] and len(reported["workers"]) == workers and reported["version"] != former:
            return time.monotonic() - started_at
        assert time.monotonic() - started_at < 10, reported
        time.sleep(0.05)


def ask(client: httpx.Client, text: str = "hello", **more: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    return client.post(CHAT, json=body)


def test_two_workers_converge_however_the_reload_is_asked_for_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    with started(tmp_path, "--workers", "2", "--reload") as (process, client, file):
        reported = version(client)
        deadline = time.monotonic() + 10
        while len(reported["workers"]) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            reported = version(client)
        assert reported["consistent"]
        assert len(reported["workers"]) == 2

        # --reload watches the file.
        file.write_text(settings("two "))
        assert until_consistent(client, 2, reported["version"]) < 5
        assert ask(client).json()["choices"][0]["message"]["content"].startswith("two ")

        # A worker that dies is replaced, by one that knows what the others know.
        dead = int(next(iter(version(client)["workers"])))
        os.kill(dead, signal.SIGKILL)
        file.write_text(settings("three "))
        former = reported["version"]
        deadline = time.monotonic() + 15
        while True:
            try:
                reported = version(client)
            except httpx.TransportError:
                continue
            fresh = str(dead) not in reported["workers"] and len(reported["workers"]) == 2
            if fresh and reported["consistent"] and reported["version"] != former:
                break
            assert time.monotonic() < deadline, reported
            time.sleep(0.1)

        # An invalid one changes nothing anywhere, and is reported.
        file.write_text("models: 7")
        reply = client.post("/admin/reload", headers=KEY)
        assert reply.status_code == 422
        assert version(client)["version"] == reported["version"]

        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "two workers"])
def test_sighup_reloads_and_sigterm_lets_streams_end(options: tuple[str, ...], tmp_path: Path) -> None:
    with started(tmp_path, *options) as (process, client, file):
        former = version(client)["version"]
        file.write_text(settings("two "))
        process.send_signal(signal.SIGHUP)
        assert until_consistent(client, 2 if options else 1, former) < 5

        texts: list[str] = []
        all_begun = threading.Barrier(7, timeout=20)

        def stream(number: int) -> None:
            body = {"model": "m", "messages": [{"role": "user", "content": "w " * 20}], "stream": True}
            with (
                httpx.Client(trust_env=False, timeout=20) as own,
                own.stream("POST", f"http://127.0.0.1:{client.base_url.port}{CHAT}", json=body) as reply,
            ):
                all_begun.wait()
                texts.append("".join(reply.iter_text()))

        threads = [threading.Thread(target=stream, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        all_begun.wait()
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(10) == 0
        assert len(texts) == 6
        assert all(text.endswith("data: [DONE]\n\n") for text in texts)


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "two workers"])
def test_a_second_signal_ends_at_once(options: tuple[str, ...], tmp_path: Path) -> None:
    with started(tmp_path, *options) as (process, client, _):
        body = {"model": "m", "messages": [{"role": "user", "content": "w " * 500}], "stream": True}
        with client.stream("POST", CHAT, json=body) as reply:
            pieces = reply.iter_raw()
            next(pieces)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert process.poll() is None
            at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(10)
            assert time.monotonic() - at < 2
            with pytest.raises(httpx.TransportError):
                list(pieces)


def until(condition: Any, seconds: float = 15.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.05)
    return found


def all_ready(client: httpx.Client, count: int) -> list[int]:
    def look() -> list[int]:
        try:
            pids = [int(pid) for pid in version(client)["workers"]]
        except (httpx.TransportError, KeyError):
            return []
        return pids if len(pids) == count else []

    found: list[int] = until(look)
    return found


def test_a_worker_that_hangs_is_replaced_and_metrics_go_on_without_it(tmp_path: Path) -> None:
    with started(tmp_path, "--workers", "2", server={"workerTimeout": "6s"}) as (_, client, _file):
        pids = all_ready(client, 2)
        assert ask(client).status_code == 200
        client.get("/metrics")
        hung = pids[0]
        os.kill(hung, signal.SIGSTOP)

        def scraped() -> httpx.Response | None:
            # A connection may be given to the worker that hangs: another one is not.
            try:
                with httpx.Client(base_url=client.base_url, trust_env=False, timeout=4) as fresh:
                    return fresh.get("/metrics")
            except httpx.TransportError:
                return None

        reply = until(scraped)
        assert reply.status_code == 200
        assert "llm_gateway_requests_total" in reply.text

        fresh = until(lambda: (lambda found: found if hung not in found else None)(all_ready(client, 2)), 30)
        assert len(fresh) == 2
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)


def test_a_connection_during_a_drain_is_refused_at_once(tmp_path: Path) -> None:
    with started(tmp_path, "--workers", "2") as (process, client, _):
        all_ready(client, 2)
        body = {"model": "m", "messages": [{"role": "user", "content": "w " * 60}], "stream": True}
        with client.stream("POST", CHAT, json=body) as reply:
            pieces = reply.iter_raw()
            next(pieces)
            process.send_signal(signal.SIGTERM)

            def is_refused() -> bool:
                try:
                    socket.create_connection(("127.0.0.1", client.base_url.port or 0), 1).close()
                except ConnectionRefusedError:
                    return True
                return False

            until(is_refused, 2.0)
            assert process.poll() is None
            assert b"[DONE]" in b"".join(pieces)
        assert process.wait(10) == 0


def test_a_start_that_always_fails_ends_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from llm_gateway_sdk import Plugin, plugin_metadata\n\n\n"
        "@plugin_metadata(name='broken', version='1.0.0', description='Fails.')\n"
        "class Broken(Plugin):\n"
        "    async def configure(self, config):\n"
        "        import os\n\n"
        "        os._exit(3)\n\n"
        "    def before_model(self, ctx):\n        pass\n"
    )
    file = tmp_path / "gateway.yaml"
    file.write_text(
        settings("x", availablePlugins=[{"path": "./broken.py"}], plugins=[{"name": "b", "type": "broken"}])
    )
    command = [sys.executable, "-m", "llm_gateway", "start", "--config", str(file), "--port", "0", "--workers", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert "no worker could start; giving up after" in ended.stderr


@pytest.mark.parametrize("value", ["", "auto", "7"])
def test_variables_of_the_server_library_have_no_effect(value: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    with started(tmp_path) as (_, client, _file):
        assert ask(client).status_code == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="the machine has no IPv6")
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "two workers"])
def test_all_addresses_means_both_families(options: tuple[str, ...], tmp_path: Path) -> None:
    with started(tmp_path, "--host", "::", *options) as (_, client, _file):
        for host in ("127.0.0.1", "[::1]"):
            url = f"http://{host}:{client.base_url.port}/health/live"
            assert httpx.get(url, trust_env=False, timeout=5).status_code == 200


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    with started(tmp_path, "--workers", "2") as (process, client, _):
        workers = [int(pid) for pid in version(client)["workers"]]
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while any(re.search(r"llm_gateway", _command(pid)) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
