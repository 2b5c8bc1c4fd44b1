"""A provider's server on 127.0.0.1 that speaks any dialect and answers as a ScriptedModel does."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from ..dialect import Dialect, Echo, Headers, Mint, WireReply, WireRequest
from ..errors import DialectError, ErrorInfo, GatewayError
from ..losses import Losses
from ..request import LLMRequest
from .script import ScriptedModel

__all__ = ["FakeUpstream"]


class FakeUpstream:
    """A server in its own thread, for providers over HTTP.

        with FakeUpstream(OpenAIChat(), ScriptedModel("Hello")) as upstream:
            …baseUrl: {upstream.url}…
        assert upstream.model.requests[0].text == …

    A POST whose body is a request of the dialect is answered by the model. `others` answers by the end of a path,
    `{"/embeddings": {"data": []}}`; what is in neither is a 404. `received` holds every request as it came.
    """

    def __init__(
        self, dialect: Dialect, model: ScriptedModel | None = None, *, others: Mapping[str, Any] | None = None
    ) -> None:
        self.dialect = dialect
        self.model = model or ScriptedModel()
        self.received: list[WireRequest] = []
        self._others = dict(others or {})
        numbers = itertools.count(1)
        self._mint = Mint(lambda prefix: f"{prefix}{next(numbers)}", lambda: 1_700_000_000)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self.url = ""

    def __enter__(self) -> FakeUpstream:
        self._thread.start()
        if not self._started.wait(5):
            raise TimeoutError("the upstream did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self._loop.close()

    async def _serve(self) -> None:
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._connection(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in list(connections):
            task.cancel()
        if connections:
            await asyncio.wait(connections)
        await server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (wire := await _read_request(reader)) is not None:
                self.received.append(wire)
                await self._answer(wire, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the gateway hung up, as it may
        finally:
            writer.close()

    async def _answer(self, wire: WireRequest, writer: asyncio.StreamWriter) -> None:
        for end, answer in self._others.items():
            if wire.path.endswith(end):
                _write(writer, WireReply(200, Headers(), json.dumps(answer).encode()))
                return
        try:
            request, echo = self.dialect.decode_request(wire)
        except (DialectError, ValueError) as error:
            _write(writer, self.dialect.encode_error(ErrorInfo(str(error), 404, "not_found")))
            return
        try:
            if request.stream or self._asks_for_stream(wire):
                await self._stream(request, echo, writer)
            else:
                reply = await self.model.execute(request)
                _write(writer, self.dialect.encode_response(reply, echo, self._mint, Losses("response")))
        except GatewayError as error:
            _write(writer, self.dialect.encode_error(error.info()))

    def _asks_for_stream(self, wire: WireRequest) -> bool:
        try:
            return self.dialect.peek(wire)[1]
        except ValueError:
            return False

    async def _stream(self, request: LLMRequest, echo: Echo, writer: asyncio.StreamWriter) -> None:
        encoder = self.dialect.stream_encoder(echo, self._mint, Losses("response"))
        begun = False
        async with aclosing(self.model.execute_streaming(request)) as chunks:
            try:
                async for chunk in chunks:
                    data = encoder.encode(chunk)
                    if not begun:
                        begun = True
                        writer.write(_STREAM_HEAD)
                    _write_piece(writer, data)
                    await writer.drain()
            except GatewayError as error:
                if not begun:
                    raise
                _write_piece(writer, encoder.fail(error.info()))
            else:
                _write_piece(writer, encoder.close())
        writer.write(b"0\r\n\r\n")


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


async def _read_request(reader: asyncio.StreamReader) -> WireRequest | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = await reader.readline()
        if not line:
            return None
        head += line
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    headers = Headers(tuple(part.strip() for part in line.split(":", 1)) for line in lines)  # type: ignore[misc]
    body = await reader.readexactly(int(headers.get("content-length") or 0))
    return WireRequest(method, path, query, headers, body)


def _write(writer: asyncio.StreamWriter, reply: WireReply) -> None:
    reply.headers.set("content-length", str(len(reply.body)))
    if "content-type" not in reply.headers:
        reply.headers.set("content-type", "application/json")
    lines = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
    writer.write(f"HTTP/1.1 {reply.status} x\r\n{lines}\r\n".encode("latin-1") + reply.body)


def _write_piece(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
