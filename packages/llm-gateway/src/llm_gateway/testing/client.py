"""A client of a whole gateway in this process: configuration, server application, hooks, providers; no socket."""

from __future__ import annotations

import asyncio
import json
import os
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import unquote

from llm_gateway_sdk import GatewayError, RequestContext
from llm_gateway_sdk.wire.sse import EventSplitter

from ..config.schema import StoreConfig
from ..exchange.outlet import PiecewiseSink
from ..gateway import Gateway
from ..loading import load, load_text
from ..server.app import GatewayApp
from ..server.control import Control
from ..server.generation import Generation
from ..server.http1.duplex import Duplex
from ..server.http1.head import Head
from ..server.http1.upload import Upload
from ..server.management import build_management, management_paths

__all__ = ["Answer", "GatewayClient", "gateway_client"]

T = TypeVar("T")


@dataclass(slots=True)
class Answer:
    """What the client of one request got."""

    status: int
    headers: dict[str, str]
    """By lower-case name; of several of one name the last."""
    body: bytes
    pieces: list[bytes] = field(default_factory=list)
    """The body as it was written, piece by piece."""
    context: RequestContext | None = None
    """The request's context; None where no exchange was begun. Detached hooks have run."""

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each server-sent event, decoded from JSON where it is JSON."""
        splitter = EventSplitter()
        found = []
        for event in [*splitter.feed(self.body), *splitter.close()]:
            data = "\n".join(
                line[5:].removeprefix(" ") for line in event.decode().splitlines() if line.startswith("data:")
            )
            try:
                found.append(json.loads(data))
            except ValueError:
                found.append(data)
        return found


class GatewayClient:
    """A gateway made from a configuration, and a client of it.

        client = GatewayClient(\"\"\"
        models: [{name: echo, isDefault: true, provider: {type: echo}}]
        plugins: [{name: shout, type: shout}]
        \"\"\", extensions=[Shout])
        answer = client.chat("Hello")

    `configuration` is YAML, or the path of a file. `extensions` are classes that its types may name next to those that
    are installed. Raises ConfigError as `start` would refuse. Synchronous: not for use inside a running event loop.
    """

    def __init__(
        self,
        configuration: str | Path,
        *,
        extensions: Sequence[type[Any]] = (),
        environ: Mapping[str, str] | None = None,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        if isinstance(configuration, Path):
            loaded = load(configuration, environ=environ)
        else:
            loaded = load_text(configuration, environ=environ, directory=directory, classes=extensions)
            if directory is None and loaded.draft.root.get("store") is None:
                # The usual store is a file next to the configuration, which here is nowhere.
                store = StoreConfig.model_validate({"url": "memory:"})
                loaded = replace(loaded, config=replace(loaded.config, store=store))
        self.notices = loaded.notices
        self._watch = _Watch()
        self._loop = asyncio.new_event_loop()
        self._end = weakref.finalize(self, _end_loop, self._loop)
        try:
            self._run(self._start(loaded))
        except BaseException:
            self._end()
            raise

    async def _start(self, loaded: Any) -> None:
        self.gateway = Gateway(loaded, observers=[self._watch])
        await self.gateway.start()
        self._control = Control(self.gateway)
        config = loaded.config
        self._app = GatewayApp(
            Generation(self.gateway), build_management(config, self._control), management_paths(config, self._control)
        )
        self._control.app = self._app
        await self._control.startup()

    # Requests.

    def request(
        self, method: str, path: str, *, json: Any = None, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; `path` may have a query. Returns when the reply is whole and its detached hooks have run."""
        if json is not None:
            body = _dumps(json)
        return self._run(self._ask(method, path, body, dict(headers or {})))

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, json=json, **options)

    def chat(
        self,
        content: str = "Hello",
        *,
        stream: bool = False,
        project: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        """One question to Chat Completions; `fields` are further ones of the body."""
        body = {"model": "model", "messages": [{"role": "user", "content": content}], "stream": stream, **fields}
        prefix = f"/{project}" if project else ""
        return self.post(f"{prefix}/v1/chat/completions", body, headers=headers)

    def message(
        self,
        content: str = "Hello",
        *,
        stream: bool = False,
        project: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        """One question to Anthropic's Messages; `fields` are further ones of the body."""
        messages = [{"role": "user", "content": content}]
        body = {"model": "model", "max_tokens": 1000, "messages": messages, "stream": stream, **fields}
        prefix = f"/{project}" if project else ""
        return self.post(f"{prefix}/v1/messages", body, headers={"anthropic-version": "2023-06-01", **(headers or {})})

    def close(self) -> None:
        """Closes the gateway and what it holds. May be called again."""
        if self._end.alive:
            self._run(self._control.shutdown())
            self._run(self._loop.shutdown_asyncgens())
            self._run(self._loop.shutdown_default_executor())
            self._end()

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Inside.

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        path, _, query = path.partition("?")
        headers.setdefault("host", "gateway.test")
        if body:
            headers.setdefault("content-type", "application/json")
            headers["content-length"] = str(len(body))
        items = [(name.lower(), value) for name, value in headers.items()]
        incoming = _MemoryRequest(Head(method, unquote(path), query, items, len(body)), body)
        self._watch.context = None
        await self._app.handle(incoming)
        answer = incoming.answer
        await self.gateway.services.supervisor.drain(10.0)
        answer.body = b"".join(answer.pieces)
        answer.context = self._watch.context
        return answer


class _MemoryRequest(PiecewiseSink):
    """A request without a connection; the reply is collected."""

    def __init__(self, head: Head, body: bytes) -> None:
        self.head = head
        self.client_ip: str | None = "127.0.0.1"
        self.refusal: GatewayError | None = None
        self.upload: Upload | None = None
        self.duplex: Duplex | None = None
        self.disconnected = self.keeps_on = False
        self.extra: list[tuple[bytes, bytes]] | None = None
        self.answer = Answer(0, {}, b"")
        self._body = body

    def take_body(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        answer = self.answer
        answer.status = status
        all_headers = [*headers, *(self.extra or ())]
        answer.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in all_headers}

    async def write(self, data: bytes, *, more: bool) -> None:
        if data:
            self.answer.pieces.append(data)

    def write_now(self, data: bytes) -> bool:
        if data:
            self.answer.pieces.append(data)
        return True

    async def abort(self) -> None:
        """A broken connection shows in the pieces that are missing."""


def _end_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Closes the loop of a client that is closed, or that was dropped without. The gateway's tasks end before it, as
    otherwise asyncio would report each of them in whatever test runs when they are collected."""
    tasks = asyncio.all_tasks(loop)
    if tasks:
        for task in tasks:
            task.cancel()
        # In a thread, since the collector may come by while another loop runs in this one.
        ending = Thread(target=lambda: loop.run_until_complete(asyncio.wait(tasks)))
        ending.start()
        ending.join()
    loop.close()


def gateway_client(configuration: str | Path, **options: Any) -> GatewayClient:
    """A GatewayClient, under the name of the fixture; close it, or use it in a `with`."""
    return GatewayClient(configuration, **options)


class _Watch:
    """An observer that remembers the context of the last exchange."""

    needs_usage = needs_reply = False
    follows_attempts = True

    def __init__(self) -> None:
        self.context: RequestContext | None = None

    def began(self, ctx: RequestContext) -> None:
        self.context = ctx

    def attempt_began(self, ctx: RequestContext) -> None:
        """Seen in the context's ledger."""

    def attempt_ended(self, ctx: RequestContext) -> None:
        """Seen in the context's ledger."""

    def ended(self, ctx: RequestContext, status: int) -> None:
        """Seen in the answer."""

    def outgoing_headers(self, ctx: RequestContext) -> Sequence[tuple[str, str]]:
        return ()


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode()
