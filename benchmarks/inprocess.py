"""The gateway's own code without sockets: bytes of a request in, bytes of its reply out, a provider of ready replies.

Serves profiles and counts; what the event loop, the kernel and the upstream connection cost is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.monitoring.metrics import Metrics
from llm_gateway.server.app import GatewayApp
from llm_gateway.server.generation import Generation
from llm_gateway.server.http1.connection import HTTPConnection
from llm_gateway.server.http1.door import Door
from llm_gateway.server.management import management_paths
from llm_gateway.server.slow_readers import SlowReaders
from llm_gateway_sdk.http import PreparedHead, Room

__all__ = ["CHAT", "MESSAGES", "InProcess", "Transport", "raw_request"]

CHAT = "/openai/v1/chat/completions"
MESSAGES = "/anthropic/v1/messages"

_MODEL = """
logging: {level: error}
models:
  - name: gpt-4o-mini
    isDefault: true
    provider: {type: openai, config: {apiKey: sk-bench, baseUrl: "http://127.0.0.1:1/v1", model: gpt-4o-mini}}
"""

_HEAD = (
    '"id":"chatcmpl-bench0123456789abcdefghijk","object":"%s","created":1760000000,"model":"gpt-4o-mini-2024-07-18",'
    '"service_tier":"default","system_fingerprint":"fp_bench"'
)
_DETAILS = (
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,'
    '"audio_tokens":0}}}'
)
"""The end of the usage of a reply, as OpenAI sends it, and of the reply."""
_WHOLE = (
    "{" + _HEAD % "chat.completion" + ',"choices":[{"index":0,"message":{"role":"assistant","content":"'
    + "An answer of a length such as people get, so that reading and writing it costs what it costs. " * 2
    + 'the-end","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":412,'
    '"completion_tokens":34,"total_tokens":446,' + _DETAILS
)  # fmt: skip


class InProcess:
    """Make it inside a running loop with `async with`."""

    def __init__(self, configuration: str = "", *, chunks: int = 100) -> None:
        self._loaded = load_text(_MODEL + configuration)
        self._metrics = Metrics()
        self._events = _events(chunks)

    async def __aenter__(self) -> InProcess:
        self.gateway = gateway = Gateway(self._loaded, observers=[self._metrics])
        await gateway.start()
        for project in gateway.projects.values():
            for target in project.scope.registry.targets:
                cast(Any, target.provider).http = _Provider(self._events)
        app = GatewayApp(Generation(gateway), _no_pages, management_paths(gateway.config))
        loop = asyncio.get_running_loop()
        readers = SlowReaders(loop, 1 << 30)
        self._door = app.door = Door(app, loop, limits=app.limits, uploads=app.uploads, slow_readers=readers)
        self.protocol = HTTPConnection(self._door)
        self._transport = Transport()
        self.protocol.connection_made(cast(Any, self._transport))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.protocol.connection_lost(None)
        self._door.close()
        await self.gateway.close()

    def plugins(self) -> list[Any]:
        """Of the first project, in their order."""
        project = next(iter(self.gateway.projects.values()))
        return [mounted.plugin for mounted in project.scope.chain.plugins]

    async def ask(self, request: bytes) -> bytes:
        """The whole reply, head and body, on one connection that is kept."""
        written = self._transport.written
        written.clear()
        await self._send(self.protocol, request)
        return b"".join(written)

    def connect(self, transport: Transport) -> HTTPConnection:
        """Another connection."""
        protocol = HTTPConnection(self._door)
        protocol.connection_made(cast(Any, transport))
        return protocol

    async def ask_once(self, request: bytes) -> bytes:
        """The same on a connection that is opened for it, and closes."""
        transport = Transport()
        protocol = self.connect(transport)
        await self._send(protocol, request)
        protocol.connection_lost(None)
        return b"".join(transport.written)

    async def _send(self, protocol: HTTPConnection, request: bytes) -> None:
        protocol.data_received(request)
        while protocol.cycles:  # noqa: ASYNC110 — the reply comes in callbacks of this very loop
            await asyncio.sleep(0)


def raw_request(path: str, body: bytes, headers: Sequence[str] = ()) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1:3000", "Content-Type: application/json", "Accept: */*",
        "User-Agent: load", "Authorization: Bearer bench-key", *headers, f"Content-Length: {len(body)}", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + body


def _events(chunks: int) -> list[bytes]:
    head = "{" + _HEAD % "chat.completion.chunk" + ',"choices":['
    deltas = ['{"role":"assistant","content":"","refusal":null}']
    deltas += [f'{{"content":" w{number:06}"}}' for number in range(chunks)]
    events = [head + f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]}}' for delta in deltas]
    events.append(head + '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}')
    events.append(
        head + f'],"usage":{{"prompt_tokens":412,"completion_tokens":{chunks},"total_tokens":{chunks + 412},' + _DETAILS
    )
    return [f"data: {event}\n\n".encode() for event in (*events, "[DONE]")]


class _Reply:
    status = 200
    resent = False

    def __init__(self, pieces: list[bytes], content_type: str) -> None:
        self.headers = [("content-type", content_type), ("x-request-id", "req_bench"), ("openai-processing-ms", "12")]
        self._pieces: Iterator[bytes] = iter(pieces)

    async def receive(self) -> bytes:
        return next(self._pieces, b"")

    async def receive_past(self, take: Callable[[bytes], bool]) -> bytes:
        for piece in self._pieces:
            if not take(piece):
                return piece
        return b""

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        return b"".join(self._pieces)

    def expire_at(self, when: float, reason: str) -> None:
        pass

    def close(self) -> None:
        pass


class _Provider:
    """Takes the place of the HTTP client: each event of a stream arrives by itself."""

    def __init__(self, events: list[bytes]) -> None:
        self._events = events
        self._whole = [_WHOLE.encode()]

    async def send(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, **limits: object
    ) -> _Reply:
        start = body[:4096]  # to search a large body would take longer than what is measured
        if b'"stream":true' in start or b'"stream": true' in start:
            return _Reply(self._events, "text/event-stream")
        return _Reply(self._whole, "application/json")

    def prepare_head(self, method: str, url: str, headers: Sequence[tuple[str, str]], varying: str) -> PreparedHead:
        return _Prepared(self)

    async def aclose(self) -> None:
        pass


class _Prepared:
    def __init__(self, provider: _Provider) -> None:
        self._provider = provider

    def send(self, value: str, body: bytes, **limits: object) -> Coroutine[Any, Any, _Reply]:
        return self._provider.send("POST", "", (), body, **limits)


class Transport:
    """What a protocol needs of a connection; it takes everything at once."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.write: Callable[[bytes], None] = self.written.append

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 50000) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        pass

    abort = pause_reading = resume_reading = close


async def _no_pages(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("there are no management pages here")


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing but what is measured runs: no garbage collection in between."""
    import gc

    with ExitStack() as stack:
        gc.collect()
        gc.disable()
        stack.callback(gc.enable)
        yield
