"""Runs a provider as the gateway does, with nothing replaced but the network."""

from __future__ import annotations

import asyncio
import copy
import itertools
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from ..checks import prepare_config
from ..dialect import Dialect, Headers, Mint, WireReply, WireRequest
from ..errors import ConfigError, ErrorInfo, GatewayError, ModelHTTPError, ModelProtocolError, ModelStreamError
from ..http import HTTPReply, Room
from ..losses import Losses
from ..provider import Call, HTTPProvider, Provider, ProviderServices
from ..request import LLMRequest, Message
from ..response import Accumulator, LLMResponse
from .walk import build_request

__all__ = ["HTTPAnswer", "ProviderHarness", "ProviderReply", "ScriptedHTTP", "SentRequest"]

T = TypeVar("T")


@dataclass(slots=True)
class HTTPAnswer:
    """The answer of the provider's server: a body, or the pieces in which a stream's body arrives."""

    status: int = 200
    """HTTP status."""
    body: bytes | Sequence[bytes] = b"{}"
    """The whole body, or its pieces in the order in which they arrive."""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    """By name."""


@dataclass(slots=True)
class SentRequest:
    """What went to the provider's server."""

    method: str
    url: str
    headers: Headers
    body: bytes


class ScriptedHTTP:
    """An HTTPClient that answers each call with its next answer; the last repeats."""

    def __init__(self, *answers: HTTPAnswer) -> None:
        self._answers = answers or (HTTPAnswer(),)
        self.sent: list[SentRequest] = []

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        connect_timeout: float = 5.0,
        expires: float | None = None,
        reason: str = "total",
    ) -> _ScriptedReply:
        """The next answer. `sent` lists what it was given."""
        answer = self._answers[min(len(self.sent), len(self._answers) - 1)]
        self.sent.append(SentRequest(method, url, Headers(headers), body))
        return _ScriptedReply(answer)

    async def aclose(self) -> None:
        """There is nothing to close."""


class _ScriptedReply(HTTPReply):
    def __init__(self, answer: HTTPAnswer) -> None:
        self.status = answer.status
        self.headers = [(name.lower(), value) for name, value in answer.headers.items()]
        self._pieces = [answer.body] if isinstance(answer.body, bytes) else list(answer.body)

    async def receive(self) -> bytes:
        await asyncio.sleep(0)
        return self._pieces.pop(0) if self._pieces else b""

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def expire_at(self, when: float, reason: str) -> None:
        """Scripted replies are never late."""

    def close(self) -> None:
        self._pieces.clear()


@dataclass(slots=True)
class ProviderReply:
    """What a call of the provider came to.

    `response` is the whole reply, or the sum of the chunks; `chunks` are those of a stream; `error` is what the
    provider raised, and then `response` holds what had come before.
    """

    response: LLMResponse
    """The whole reply, or the sum of the chunks."""
    chunks: list[LLMResponse]
    """Those of a stream, in order."""
    error: GatewayError | None = None
    """What the provider raised; None after a success."""

    @property
    def text(self) -> str:
        """The text of the reply. Raises AssertionError where the call failed: a test that only looks at the text must
        not take a failure for an empty answer."""
        if self.error is not None:
            raise AssertionError(f"the call failed: {self.describe()}") from self.error
        return self.response.text

    @property
    def status(self) -> int:
        """The HTTP status that a client of the gateway would get: 200, or that of the error."""
        return 200 if self.error is None else self.error.status

    def describe(self) -> str:
        """One line: the text, or the class, kind, status and message of the failure."""
        error = self.error
        if error is None:
            return f"{self.status}: {self.response.text!r}"
        return f"{type(error).__name__} ({error.kind}, status {error.status}): {error}"

    def __str__(self) -> str:
        return self.describe()


class ProviderHarness:
    """A configured provider with `ask` and `stream`.

        reply = ProviderHarness(MyProvider, {"model": "m-1"}).ask("Hello")
        assert reply.text == "…"

    A provider over HTTP needs its `dialect`'s instance and `http`, a ScriptedHTTP or anything that is an HTTPClient;
    `sent` then holds what went out. A provider that calls the network by itself gets `http_client` from
    `self.gateway.http_client()`, for example an `httpx.AsyncClient(transport=httpx.MockTransport(handler))`.
    Raises ConfigError for settings that its schema refuses.

    A failing call raises nothing: it is `reply.error`, with `reply.status` as a client would get it. To see what the
    gateway does with a failure, make the scripted server answer with it:
    `http=ScriptedHTTP(HTTPAnswer(429, b'{"error": …}'))`.
    """

    def __init__(
        self,
        provider: type[Provider],
        config: dict[str, Any] | None = None,
        *,
        dialect: Dialect | None = None,
        http: Any = None,
        http_client: Any = None,
    ) -> None:
        name = getattr(provider, "name", None)
        if not isinstance(name, str) or not name:
            raise ConfigError(f'{provider.__name__} has no name: write `name = "…"` in the class')
        settings = prepare_config(provider.configuration_schema, config or {})
        self.provider = provider()
        self.provider.gateway = _Services(http_client)
        self.dialect = dialect
        self.http = http or ScriptedHTTP()
        if isinstance(self.provider, HTTPProvider):
            self.provider.http = self.http
        numbers = itertools.count(1)
        self._mint = Mint(lambda prefix: f"{prefix}{next(numbers)}", lambda: 0)
        self._loop = asyncio.new_event_loop()
        self._end = weakref.finalize(self, self._loop.close)
        self._run(self.provider.configure(settings))

    @property
    def sent(self) -> list[SentRequest]:
        """What a provider over HTTP sent to the scripted server."""
        return cast(ScriptedHTTP, self.http).sent

    def ask(self, request: str | LLMRequest | Sequence[Message] = "Hello", *, model: str = "model") -> ProviderReply:
        """One whole reply."""
        return self._run(self._ask(build_request(request, model=model, stream=False), model))

    def stream(self, request: str | LLMRequest | Sequence[Message] = "Hello", *, model: str = "model") -> ProviderReply:
        """One streamed reply. Raises AssertionError unless the last chunk, and no other, has `final` set."""
        return self._run(self._stream(build_request(request, model=model, stream=True), model))

    def prepare(self, path: str = "/", body: bytes = b"{}") -> SentRequest:
        """What a provider over HTTP makes of a request: address and credentials, without sending it."""
        method, url, headers, sent = self._over_http.prepare(WireRequest("POST", path, "", Headers(), body))
        return SentRequest(method, url, headers, sent)

    def close(self) -> None:
        """Closes the provider. May be called again."""
        if self._end.alive:
            self._run(self.provider.close())
            self._end()

    def __enter__(self) -> ProviderHarness:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Inside.

    @property
    def _over_http(self) -> HTTPProvider:
        if not isinstance(self.provider, HTTPProvider):
            raise TypeError(f"{type(self.provider).__name__} is not an HTTPProvider")
        return self.provider

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _ask(self, request: LLMRequest, model: str) -> ProviderReply:
        try:
            if not isinstance(self.provider, HTTPProvider):
                return ProviderReply(await self.provider.execute(copy.deepcopy(request), self._call(model)), [])
            reply = await self._send(request, model)
            wire = WireReply(reply.status, Headers(reply.headers), await reply.read())
            return ProviderReply(self._spoken.decode_response(wire, self._mint), [])
        except GatewayError as error:
            return ProviderReply(LLMResponse(), [], error)

    async def _stream(self, request: LLMRequest, model: str) -> ProviderReply:
        chunks: list[LLMResponse] = []
        failure: GatewayError | None = None
        try:
            async with aclosing(self._chunks(request, model)) as source:
                async for chunk in source:
                    assert not (chunks and chunks[-1].final), "a chunk came after the one with `final`"
                    if chunk.error is not None:
                        raise _stream_error(chunk.error)
                    chunks.append(chunk)
            assert any(chunk.final for chunk in chunks), "the last chunk of a stream must have `final` set"
        except GatewayError as error:
            failure = error
        total = Accumulator()
        for chunk in chunks:
            total.add(chunk)
        return ProviderReply(total.value(), chunks, failure)

    async def _chunks(self, request: LLMRequest, model: str) -> AsyncGenerator[LLMResponse, None]:
        if isinstance(self.provider, HTTPProvider):
            source: AsyncIterator[LLMResponse] = self._decoded(await self._send(request, model))
        else:
            source = self.provider.execute_streaming(copy.deepcopy(request), self._call(model))
        async for chunk in source:
            yield chunk

    def _call(self, model: str) -> Call:
        return Call("test-1", self.provider.model or model, 0, self._mint.id, self._mint.now)

    @property
    def _spoken(self) -> Dialect:
        if self.dialect is None:
            raise TypeError(f"give the harness the dialect: ProviderHarness(…, dialect={self.provider.dialect}())")
        return self.dialect

    async def _send(self, request: LLMRequest, model: str) -> Any:
        provider, dialect = self._over_http, self._spoken
        name = provider.model or model
        wire = dialect.translate(request, provider.target(name, dialect.name), Losses("request"))
        method, url, headers, body = provider.prepare(wire)
        reply = await self.http.send(method, url, headers.items, body)
        if not 200 <= reply.status < 300:
            info = dialect.decode_error(WireReply(reply.status, Headers(reply.headers), await reply.read()))
            raise ModelHTTPError(info.message, status=info.status, kind=info.kind, code=info.code, info=info)
        return reply

    async def _decoded(self, reply: Any) -> AsyncGenerator[LLMResponse, None]:
        decoder = self._spoken.stream_decoder(self._mint)
        while data := await reply.receive():
            for chunk in decoder.feed(data):
                yield chunk
        for chunk in decoder.close():
            yield chunk
        if not decoder.finished:
            raise ModelProtocolError("The provider's stream ended early.")


class _Services(ProviderServices):
    def __init__(self, http_client: Any) -> None:
        self._http_client = http_client

    def http_client(self) -> Any:
        if self._http_client is None:
            raise LookupError("give the harness a client: ProviderHarness(…, http_client=httpx.AsyncClient(…))")
        return self._http_client


def _stream_error(info: ErrorInfo) -> ModelStreamError:
    return ModelStreamError(info.message, status=info.status, kind=info.kind, code=info.code, info=info)
