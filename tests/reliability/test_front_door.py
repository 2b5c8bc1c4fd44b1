"""Strangers, clients that close one side, and the end of the gateway, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from loopback import (
    ROUTES,
    Call,
    answer,
    chat_event,
    chat_stream,
    chat_whole,
    config,
    error_shape,
    gateway,
    model,
    request,
    run,
    until,
    upstream,
)

from llm_gateway.testing.processes import GatewayProcess

BODY = json.dumps(request("chat")).encode()
HEAD = b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\n"
KEYS = [{"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": ["a-gateway-key"]}}]


def test_uploads_without_a_key_are_refused_before_their_body_and_hold_nothing() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url), plugins=KEYS)) as served:
            strangers = []
            for _ in range(16):
                client = await served.connect()
                await client.send_raw(HEAD + b"content-length: 50000000\r\n\r\n" + b"x" * 1000)
                strangers.append(client)
            for client in strangers:
                reply = await client.reply()
                assert reply.status == 401
                error_shape("chat", reply.body)
            assert served.app.uploads.used == 0

            large = json.dumps(request("chat", text="y" * 3_000_000))
            known = await served.connect()
            await known.send("POST", ROUTES["chat"], json.loads(large), {"authorization": "Bearer a-gateway-key"})
            assert (await known.reply()).status == 200
            assert served.app.uploads.used == 0

    run(main())


@pytest.mark.parametrize("framing", [b"content-length: 50000000\r\n", b"transfer-encoding: chunked\r\n"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("/nope", 404), ("/v1/models", 405), ("/health/live", 413), ("/metrics", 413), ("/admin/v1/keys", 413)],
)
def test_bodies_that_nothing_reads_are_not_waited_for(path: str, status: int, framing: bytes) -> None:
    body = b"x" * 3_000_000

    async def main() -> None:
        settings = config(model("http://127.0.0.1:1"), plugins=KEYS, admin={"enabled": True, "apiKey": "k" * 20})
        async with gateway(settings) as served:
            client = await served.connect()
            piece = b"%x\r\n%s" % (50_000_000, body) if b"chunked" in framing else body
            await client.send_raw(f"POST {path} HTTP/1.1\r\nhost: g\r\n".encode() + framing + b"\r\n")
            client.writer.write(piece)
            assert (await client.reply()).status == status
            assert served.app.uploads.used == 0

    run(main())


def test_a_key_is_looked_at_before_a_client_gets_a_continue() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url), plugins=KEYS)) as served:
            expecting = HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n" % len(BODY)
            stranger, known = await served.connect(), await served.connect()
            await stranger.send_raw(expecting + b"\r\n")
            assert (await stranger.reply()).status == 401
            await known.send_raw(expecting + b"authorization: Bearer a-gateway-key\r\n\r\n")
            assert (await known.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            await known.send_raw(BODY)
            assert (await known.reply()).status == 200

    run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("pause", [0.0, 0.6], ids=["at once", "slowly"])
def test_a_client_that_half_closes_gets_its_whole_reply(pause: float, stream: bool) -> None:
    async def slowly(call: Call) -> None:
        await asyncio.sleep(pause)
        if not stream:
            await call.send(200, chat_whole("hi"))
            return
        await call.open_stream()
        for event in chat_stream("a", "b"):
            await call.chunk(event)
            await asyncio.sleep(pause / 2)
        await call.end_stream()

    async def main() -> None:
        async with upstream(slowly) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            body = json.dumps(request("chat", stream=stream)).encode()
            await client.send_raw(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            client.writer.write_eof()
            status, _ = await client.head()
            while status == 100:
                status, _ = await client.head()
            rest = await client.closed(10)

            assert status == 200
            assert (b"[DONE]" in rest and rest.endswith(b"0\r\n\r\n")) if stream else b'"hi"' in rest

    run(main())


@pytest.mark.parametrize("dialect", list(ROUTES))
def test_what_is_cut_off_by_the_end_of_a_drain_gets_an_error(dialect: str) -> None:
    async def endless(call: Call) -> None:
        if call.streaming:
            await call.open_stream()
            await call.chunk(b"".join(chat_stream("partial", done=False)))
        await call.hang()

    async def main() -> None:
        server = {"limits": {"drainTimeout": "300ms"}}
        async with upstream(endless) as up, gateway(config(model(up.url), server=server)) as served:
            whole, streamed = await served.connect(), await served.connect()
            await whole.send("POST", ROUTES[dialect], request(dialect))
            await streamed.send("POST", ROUTES[dialect], request(dialect, stream=True))
            await up.wait_for(2)
            status, _ = await streamed.head()
            assert status == 200
            served.stop()
            reply = await whole.reply()

            assert reply.status in (503, 529)
            error_shape(dialect, reply.body)
            rest = await streamed.closed(5)
            assert b"shutting down" in rest
            assert rest.endswith(b"0\r\n\r\n"), "the stream ends with an error, not with a broken connection"

    run(main())


def test_clients_that_left_and_requests_that_were_cut_off_are_recorded_as_such(tmp_path: Path) -> None:
    plugin = tmp_path / "seen.py"
    plugin.write_text(
        "from llm_gateway_sdk import Plugin, plugin_metadata\n\n\n"
        "@plugin_metadata(name='seen')\n"
        "class Seen(Plugin):\n"
        "    seen = []\n\n"
        "    def detached_after_response(self, ctx):\n"
        "        self.seen.append((ctx.error.code, ctx.error.kind, ctx.metadata.get('status')))\n"
    )

    async def main() -> None:
        more: dict[str, Any] = {"server": {"limits": {"drainTimeout": "300ms"}}}
        more |= {"availablePlugins": [{"path": str(plugin)}], "plugins": [{"name": "seen", "type": "seen"}]}

        async def hang(call: Call) -> None:
            await call.hang()

        async with upstream(hang) as up, gateway(config(model(up.url), **more)) as served:
            for _ in range(2):
                client = await served.connect()
                await client.send("POST", ROUTES["chat"], request("chat"))
            await up.wait_for(2)
            seen = served.plugin.seen
            served.clients[0].close()
            await until(lambda: len(seen) == 1)
            served.stop()
            await until(lambda: len(seen) == 2)

            assert seen == [("client_disconnected", "client_disconnected", 499), ("shutting_down", "overloaded", 503)]

    run(main())


def test_administration_pages_redirect_nowhere() -> None:
    async def main() -> None:
        admin = {"enabled": True, "apiKey": "an-admin-key"}
        async with upstream(answer) as up, gateway(config(model(up.url), admin=admin)) as served:
            for path in ("/admin/config/version", "/admin/config/", "/admin/breakers/", "/health/live/", "/metrics/"):
                for key, expected in (("an-admin-key", 200), ("wrong", 401 if "admin" in path else 200)):
                    headers = {"authorization": f"Bearer {key}", "host": "elsewhere.example"}
                    reply = await served.ask(path=path, method="GET", headers=headers)
                    assert reply.status == expected, path
                    assert reply.header("location") is None

    run(main())


def test_clients_that_read_nothing_are_cut_off_where_they_hold_too_much_together() -> None:
    async def main() -> None:
        async def flood(call: Call) -> None:
            await call.open_stream()
            event = chat_event({"content": "x" * 16_000})
            while not call.gone.is_set():
                await call.chunk(event)

        async with upstream(flood) as up, gateway(config(model(up.url))) as served:
            assert served.worker.server is not None
            readers = served.worker.server.door.slow_readers
            readers.limit = 4 << 20  # type: ignore[attr-defined]
            clients = []
            for _ in range(8):
                client = await served.connect(limit=2**14)
                await client.send("POST", ROUTES["chat"], request("chat", stream=True))
                clients.append(client)
            await until(lambda: readers.cut >= 4, 40)  # type: ignore[attr-defined]
            await until(lambda: served.app.generation.exchanges <= 4)

    run(main())


SWALLOWS = """
import asyncio
import time

from llm_gateway_sdk import Plugin, plugin_metadata


@plugin_metadata(name="swallows")
class Swallows(Plugin):
    async def before_model(self, ctx):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass


@plugin_metadata(name="blocks")
class Blocks(Plugin):
    def before_model(self, ctx):
        time.sleep(3600)
"""


@contextmanager
def started(folder: Path, plugin: str, *options: str) -> Iterator[tuple[GatewayProcess, int]]:
    (folder / "plugins.py").write_text(SWALLOWS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "models": [{"name": "m", "isDefault": True, "provider": {"type": "echo"}}],
        "availablePlugins": [{"path": "./plugins.py"}],
        "plugins": [{"name": "p", "type": plugin}],
        "server": {"limits": {"drainTimeout": "1s"}},
        "requestTimeout": "2s",
    }
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(settings))
    process = GatewayProcess(["start", "--config", str(file), "--port", str(port), *options])
    try:
        deadline = time.monotonic() + 40
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def hold(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), 5)
    client.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
    time.sleep(0.5)
    return client


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "two workers"])
def test_a_hook_that_goes_on_after_its_cancellation_keeps_neither_client_nor_process(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    with started(tmp_path, "swallows", *options) as (process, port):
        client = hold(port)
        client.settimeout(10)
        assert client.recv(100).startswith(b"HTTP/1.1 504 "), "requestTimeout ends the request"
        second = hold(port)
        at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(12) == 0
        assert time.monotonic() - at < 8
        client.close()
        second.close()


@pytest.mark.parametrize("plugin", ["swallows", "blocks"])
def test_a_second_signal_ends_whatever_plugins_do(plugin: str, tmp_path: Path) -> None:
    with started(tmp_path, plugin) as (process, port):
        client = hold(port)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert time.monotonic() - at < 3
        client.close()


def test_out_of_descriptors_it_writes_a_log_line_and_recovers(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("limits another process's descriptors")
    import resource

    with started(tmp_path, "swallows") as (process, port):
        used = len(os.listdir(f"/proc/{process.pid}/fd"))
        limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 3, limits[1]))
        clients = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(20)]
        time.sleep(0.5)
        begun = _cpu_seconds(process.pid)
        time.sleep(1.0)
        assert _cpu_seconds(process.pid) - begun < 0.4, "it must not spin"
        for client in clients:
            client.close()
        time.sleep(1.5)
        assert httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False).status_code == 200


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
