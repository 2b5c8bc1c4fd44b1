"""A gateway, its upstream and raw clients in one event loop, so that each byte and each closed connection is seen."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from llm_gateway.loading import LoadResult, load, load_text
from llm_gateway.server.listening import open_listeners
from llm_gateway.server.worker import Worker, run_loop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], seconds: float = 60) -> T:
    """On the event loop that the gateway is served on."""
    found: list[T] = []

    async def keep() -> int:
        async with asyncio.timeout(seconds):
            found.append(await main)
        return 0

    run_loop(keep())
    return found[0]


# The upstream.


@dataclass(slots=True)
class Call:
    """One request that reached the upstream, and the means to answer it."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    writer: asyncio.StreamWriter
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """The gateway closed the connection."""
    gone_at: float = 0.0

    @property
    def body(self) -> Any:
        return json.loads(self.raw or b"{}")

    @property
    def streaming(self) -> bool:
        return bool(self.body.get("stream"))

    async def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.writer.write(f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + data)
        await self.writer.drain()

    async def open_stream(self, headers: dict[str, str] | None = None) -> None:
        given = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.writer.write(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode())
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()

    async def end_stream(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def stream(self, data: bytes) -> None:
        await self.open_stream()
        await self.chunk(data)
        await self.end_stream()

    async def hang(self) -> None:
        """Until the gateway leaves."""
        await self.gone.wait()

    def reset(self) -> None:
        """Breaks the connection off with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Call], Awaitable[object]]


class _Inbox:
    """What arrives on a connection. Watching for its end while a call is answered loses nothing of the next one."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._data = bytearray()

    async def more(self) -> None:
        data = await self._reader.read(65536)
        if not data:
            raise ConnectionResetError
        self._data += data

    async def until(self, separator: bytes) -> bytes:
        while separator not in self._data:
            await self.more()
        return await self.exactly(self._data.index(separator) + len(separator))

    async def exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            await self.more()
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken


class Upstream:
    """Answers by `script`; `calls` are those that came, `open` counts connections."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.open = 0
        self.busy = 0
        """Calls that are being answered."""
        self.url = ""
        self._arrived = asyncio.Condition()

    async def wait_for(self, number: int = 1, timeout: float = 5.0) -> Call:
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) >= number)
            return self.calls[number - 1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        inbox = _Inbox(reader)
        try:
            while await self._exchange(inbox, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _exchange(self, inbox: _Inbox, writer: asyncio.StreamWriter) -> bool:
        head = (await inbox.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await inbox.exactly(int(headers.get("content-length", "0")))
        call = Call(method, path, headers, raw, writer)
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()

        async def watch() -> None:
            try:
                while True:
                    await inbox.more()
            except ConnectionError:
                pass
            call.gone_at = asyncio.get_running_loop().time()
            call.gone.set()

        watcher = asyncio.ensure_future(watch())
        self.busy += 1
        script = asyncio.ensure_future(_run(self.script, call))
        try:
            await asyncio.wait((script, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.busy -= 1
            script.cancel()
            watcher.cancel()
            failed = isinstance((await asyncio.gather(script, return_exceptions=True))[0], Exception)
            await asyncio.gather(watcher, return_exceptions=True)
        return not (failed or call.gone.is_set() or writer.is_closing() or writer.transport.is_closing())


async def _run(script: Script, call: Call) -> None:
    await script(call)


@asynccontextmanager
async def upstream(script: Script, *, port: int = 0) -> AsyncIterator[Upstream]:
    served = Upstream(script)
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await served.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# The gateway.


def model(url: str, kind: str = "openai", name: str = "m", **settings: Any) -> dict[str, Any]:
    base = f"{url}/v1" if kind == "openai" else url
    config = {"apiKey": "sk-upstream-key-0123456789", "baseUrl": base, "retryAttempts": 1, "model": "up", **settings}
    return {"name": name, "isDefault": name == "m", "provider": {"type": kind, "config": config}}


def config(*models: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"models": list(models), "logging": {"level": "error"}, **more}


class Gateway:
    def __init__(self, worker: Worker, port: int) -> None:
        self.worker = worker
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.clients: list[Client] = []

    @property
    def app(self) -> Any:
        assert self.worker.control is not None
        return self.worker.control.app

    @property
    def supervisor(self) -> Any:
        assert self.worker.control is not None
        return self.worker.control.gateway.services.supervisor

    @property
    def plugins(self) -> list[Any]:
        """The plugins of the default project."""
        assert self.worker.control is not None
        return [each.plugin for each in self.worker.control.gateway.projects["default"].scope.chain.plugins]

    @property
    def plugin(self) -> Any:
        """The first plugin of the default project."""
        return self.plugins[0]

    def targets(self, project: str = "default") -> dict[str, Any]:
        assert self.worker.control is not None
        registry = self.worker.control.gateway.projects[project].scope.registry
        return {target.name: target for target in registry.targets}

    def stop(self) -> None:
        assert self.worker.server is not None
        self.worker.server.stop()

    async def connect(self, **options: Any) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        client = Client(reader, writer)
        self.clients.append(client)
        return client

    async def ask(
        self,
        body: Any = None,
        *,
        path: str = "/openai/v1/chat/completions",
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """One request on its own connection."""
        client = await self.connect()
        try:
            await client.send(method, path, body, headers)
            return await client.reply(method)
        finally:
            client.close()


@asynccontextmanager
async def gateway(settings: dict[str, Any] | Path) -> AsyncIterator[Gateway]:
    result: LoadResult = load(settings) if isinstance(settings, Path) else load_text(json.dumps(settings))
    worker = Worker(result)
    started = asyncio.Event()
    task = asyncio.ensure_future(
        worker.run(sockets=open_listeners("127.0.0.1", 0), signals=False, ready=lambda _: started.set())
    )
    waiting = asyncio.ensure_future(started.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()
    assert worker.server is not None
    served = Gateway(worker, worker.server.addresses()[0][1])
    try:
        yield served
    finally:
        for client in served.clients:
            client.close()
        if not task.done():
            worker.server.stop()
        await task


# Clients.


@dataclass(slots=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool = True
    """False where the connection broke off before the body's end."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A connection on which any bytes can be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"host": "gateway", "content-type": "application/json", "content-length": str(len(data))}
        given.update(headers or {})
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        await self.send_raw(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + data)

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, timeout: float = 10.0) -> tuple[int, list[tuple[str, str]]]:
        async with asyncio.timeout(timeout):
            while True:
                lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                status = int(lines[0].split(" ")[1])
                if status >= 200:
                    break
        return status, [(name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines[1:] if x)]

    async def reply(self, method: str = "POST", timeout: float = 10.0) -> Reply:
        status, headers = await self.head(timeout)
        found = dict(headers)
        body = bytearray()
        async with asyncio.timeout(timeout):
            try:
                if method == "HEAD" or status in (204, 304):
                    pass
                elif "content-length" in found:
                    body += await self.reader.readexactly(int(found["content-length"]))
                elif found.get("transfer-encoding") == "chunked":
                    while piece := await self.read_chunk():
                        body += piece
                else:
                    body += await self.reader.read()
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                partial = error.partial if isinstance(error, asyncio.IncompleteReadError) else b""
                return Reply(status, headers, bytes(body) + partial, whole=False)
        return Reply(status, headers, bytes(body))

    async def read_chunk(self) -> bytes:
        """One chunk of a body; empty for the last one."""
        size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
        data = await self.reader.readexactly(size)
        await self.reader.readexactly(2)
        return data

    async def closed(self, timeout: float = 5.0) -> bytes:
        """What still comes until the gateway closes the connection."""
        async with asyncio.timeout(timeout):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        """Leaves with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def until(condition: Callable[[], object], timeout: float = 3.0) -> None:
    """Waits for what another task is about to do."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# The contents.

ROUTES = {
    "chat": "/openai/v1/chat/completions",
    "responses": "/openai/v1/responses",
    "messages": "/anthropic/v1/messages",
}


def request(dialect: str, *, stream: bool = False, text: str = "hello", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    body: dict[str, Any] = {"model": "m", "stream": stream, **more}
    match dialect:
        case "chat":
            return {**body, "messages": messages}
        case "responses":
            return {**body, "input": messages}
    return {**body, "messages": messages, "max_tokens": 50}


def chat_event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def chat_stream(*texts: str, done: bool = True) -> list[bytes]:
    events = [chat_event({"role": "assistant", "content": ""}), *(chat_event({"content": text}) for text in texts)]
    return [*events, chat_event({}, "stop"), b"data: [DONE]\n\n"] if done else events


def message_event(body: dict[str, Any]) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode()


def message_stream(*texts: str, done: bool = True) -> list[bytes]:
    message: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1},
    }  # fmt: skip
    block = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in texts),
    ]
    if done:
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        events += [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ]
    return [message_event(event) for event in events]


def chat_whole(text: str = "hi") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "up", "choices": [choice], "usage": usage}


def message_whole(text: str = "hi") -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "up",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 7},
    }  # fmt: skip


async def answer(call: Call) -> None:
    """The reply of a healthy provider of either kind."""
    messages = call.path.endswith("/messages")
    if call.streaming:
        events = message_stream("a", "b") if messages else chat_stream("a", "b")
        await call.stream(b"".join(events))
    else:
        await call.send(200, message_whole() if messages else chat_whole())


def error_shape(dialect: str, body: bytes) -> dict[str, Any]:
    """The error object, after checking that it is in the dialect's own form."""
    found = json.loads(body)
    error: dict[str, Any] = found["error"]
    assert isinstance(error["message"], str)
    if dialect == "messages":
        assert found["type"] == "error"
        assert isinstance(error["type"], str)
    else:
        assert {"message", "type", "param", "code"} <= set(error)
    return error


def seeded(seed: int) -> random.Random:
    return random.Random(seed)
