"""One request's life in a test: the gateway's walk over hooks, targets, attempts and chunks, without the wire."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from ..calling import Verdict
from ..chunk_loop import ChunkLoop
from ..context import Attempt, HTTPRequest, Operation, RequestContext
from ..dialect import Headers
from ..errors import GatewayError, ModelError, ModelNotFound
from ..hooks import HookChain
from ..lifecycle import Lifecycle
from ..parts import TextPart
from ..payload import Payload
from ..request import LLMRequest, Message
from ..response import LLMResponse, Usage
from ..walk import WalkLimits, walk
from .script import ScriptedModel

__all__ = ["Asked", "Walk", "build_request"]


@dataclass(slots=True)
class Asked:
    """What a client sends."""

    request: LLMRequest
    headers: dict[str, str] = field(default_factory=dict)
    path: str | None = None
    caller: str | None = None
    client_ip: str | None = None
    client_dialect: str = "openai_chat"
    operation: Operation = "generate"

    @property
    def streaming(self) -> bool:
        return self.request.stream and self.operation == "generate"


def build_request(given: str | LLMRequest | Sequence[Message], *, model: str, stream: bool) -> LLMRequest:
    if isinstance(given, LLMRequest):
        request = copy.deepcopy(given)
        request.model = request.model or model
    elif isinstance(given, str):
        request = LLMRequest(model=model, messages=[Message("user", [TextPart(given)])])
    else:
        request = LLMRequest(model=model, messages=copy.deepcopy(list(given)))
    request.stream = request.stream or stream
    return request


class Walk:
    """One per request. After `run`: what the client got (`sent`, `status`, `error`) and what became of the rest."""

    def __init__(
        self,
        chain: HookChain,
        models: Mapping[str, ScriptedModel],
        asked: Asked,
        *,
        request_id: str,
        project: str,
        max_retries: int,
        max_turns: int,
    ) -> None:
        self._models = models
        self._limits = WalkLimits(max(max_retries, chain.attempts_wanted), max_turns)
        self.ctx = _context(asked, request_id=request_id, project=project, models=list(models))
        self._chain = chain.select(self.ctx)
        self.sent: list[LLMResponse] = []
        self.status = 0
        self.error: GatewayError | None = None
        self.requests: list[LLMRequest] = []
        self.detached: dict[str, Exception | None] = {}
        self.is_heavy = False

    async def run(self) -> None:
        ctx, chain = self.ctx, self._chain
        lifecycle = Lifecycle(chain.lifecycle, ctx) if chain.lifecycle else None
        try:
            await walk(ctx, chain, self, self._limits, lifecycle)
            self.status = 200
        except GatewayError as error:
            ctx.error = ctx.error or error
            self.error = error
            self.status = 200 if ctx.stream.committed else error.status
        metrics = ctx.metrics
        metrics.ended = time.time()
        metrics.duration_ms = (metrics.ended - metrics.started) * 1000
        ctx.metadata.setdefault("status", self.status if self.error is None else self.error.status)
        if lifecycle is not None:
            await lifecycle.end()
        failures = dict(await self._chain.detached_after_response(ctx))
        self.detached = {name: failures.get(name) for name in self._chain.detached_names}

    def out_of_time(self) -> bool:
        return False

    async def prepare(self) -> None:
        pass

    async def perform(self) -> Verdict | None:
        ctx = self.ctx
        if ctx.operation in ("models", "stored", "native"):
            return None
        name = self._resolve()
        attempt = Attempt(name, f"scripted/{name}", time.time())
        ctx.attempts.append(attempt)
        ctx.target_model_provider = "scripted"
        try:
            verdict = await self._call(self._models[name], attempt)
        except ModelError as error:
            attempt.error, attempt.kind, attempt.status = error.message, error.kind, error.status
            error.model, error.provider = name, "scripted"
            raise
        finally:
            attempt.ended = time.time()
        if verdict is None:
            ctx.error = None  # what earlier attempts met is in the ledger
        return verdict

    def _resolve(self) -> str:
        routed, asked = self.ctx.target_model, self.ctx.requested_model
        if routed is not None:
            if routed not in self._models:
                raise ModelNotFound(routed, list(self._models))
            return routed
        return asked if asked is not None and asked in self._models else next(iter(self._models))

    async def _call(self, model: ScriptedModel, attempt: Attempt) -> Verdict | None:
        ctx = self.ctx
        request = ctx.request
        if ctx.operation != "generate":
            return None
        self.requests.append(copy.deepcopy(request))
        if ctx.streaming:
            attempt.status = 200
            loop = ChunkLoop(ctx, self._chain, _Receiver(self, attempt))
            async with aclosing(model.execute_streaming(request)) as chunks:
                return await loop.run(_batches(chunks, self))
        response = await model.execute(request)
        attempt.status = 200
        attempt.first_token = ctx.metrics.first_token = time.time()
        ctx.response_payload = Payload(None, response)
        verdict = await self._chain.after_model(ctx)
        if verdict is not None and (verdict.action != "reply" or ctx.response is None):
            return verdict
        answer = ctx.response or response
        self.book_usage(answer.usage)
        self.sent = [copy.deepcopy(answer)]
        return None

    async def answer(self, response: LLMResponse) -> None:
        if self.ctx.streaming:
            self.ctx.stream.opened = self.ctx.stream.committed = True
            response.final = True
        self.sent = [copy.deepcopy(response)]

    def book_usage(self, usage: Usage | None) -> None:
        if usage is None:
            return
        metrics = self.ctx.metrics
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
            if getattr(usage, name) is not None:
                setattr(metrics, name, getattr(usage, name))
        metrics.usage_estimated = usage.estimated
        metrics.total_tokens = usage.total_tokens


class _Receiver:
    """What the client of a streamed reply gets."""

    def __init__(self, walk: Walk, attempt: Attempt) -> None:
        self._sent = walk.sent
        self._metrics = walk.ctx.metrics
        self._attempt = attempt
        self.came: Callable[[LLMResponse], None] = _ignore
        self.let_through: Callable[[LLMResponse], None] = _ignore

    def commit(self) -> None:
        self._attempt.first_token = self._metrics.first_token = time.time()

    def emit(self, chunk: LLMResponse) -> None:
        self._sent.append(copy.deepcopy(chunk))  # what was sent does not change any more

    def emit_text(self, chunk: LLMResponse, text: str) -> None:
        self.emit(chunk)

    async def flush(self) -> None:
        pass

    async def end(self) -> None:
        pass


def _ignore(chunk: LLMResponse) -> None:
    """Nothing is compared here."""


async def _batches(chunks: AsyncIterator[LLMResponse], walk: Walk) -> AsyncIterator[list[LLMResponse]]:
    async for chunk in chunks:
        walk.book_usage(chunk.usage)
        yield [chunk]


_ENDPOINTS: dict[str, tuple[str, str]] = {
    "openai_chat": ("openai", "/v1/chat/completions"),
    "openai_responses": ("openai", "/v1/responses"),
    "anthropic": ("anthropic", "/v1/messages"),
}


def _context(asked: Asked, *, request_id: str, project: str, models: Sequence[str]) -> RequestContext:
    adapter, endpoint = _ENDPOINTS.get(asked.client_dialect, (asked.client_dialect, f"/{asked.client_dialect}"))
    request = asked.request
    understood = asked.operation not in ("models", "stored", "native")
    body = {
        "model": request.model,
        "messages": [{"role": message.role, "content": message.text} for message in request.messages],
        "stream": request.stream,
    }

    def decode() -> LLMRequest:
        return copy.deepcopy(request)

    ctx = RequestContext(
        request_id=request_id,
        project=project,
        adapter=adapter,
        operation=asked.operation,
        http_request=HTTPRequest(
            "GET" if asked.operation == "models" else "POST",
            asked.path or f"/{project}/{adapter}{endpoint}",
            "",
            Headers(asked.headers.items()),
            json.dumps(body).encode(),
        ),
        request=Payload(decode) if understood else None,
        available_models=models,
        requested_model=request.model if understood else None,
        streaming=asked.streaming,
        client_ip=asked.client_ip or "127.0.0.1",
        client_dialect=asked.client_dialect,
        started=time.time(),
    )
    ctx.caller = asked.caller
    return ctx
