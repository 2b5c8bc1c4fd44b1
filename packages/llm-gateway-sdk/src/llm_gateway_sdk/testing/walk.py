"""One request's life in a test: the gateway's walk over hooks, targets, attempts and chunks, without the wire."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from ..calling import Verdict
from ..context import Attempt, Engine, HTTPRequest, Operation, RequestContext
from ..dialect import Headers
from ..errors import GatewayError, ModelError, ModelNotFound, ModelStreamError, RequestRejected
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

    async def perform(self) -> Verdict | None:
        ctx = self.ctx
        if ctx.operation in ("models", "native"):
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
            return await _Stream(self, attempt).run(model, request)
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


class _Stream:
    """The chunk loop of one attempt."""

    def __init__(self, walk: Walk, attempt: Attempt) -> None:
        self._walk = walk
        self._attempt = attempt
        self._ctx = walk.ctx
        self._hooks = walk._chain.chunk_run(walk.ctx)
        self._waiting: list[LLMResponse] = []
        self._done = False

    async def run(self, model: ScriptedModel, request: LLMRequest) -> Verdict | None:
        hooks = self._hooks
        self._attempt.status = 200
        try:
            async with aclosing(model.execute_streaming(request)) as chunks:
                async for chunk in chunks:
                    if chunk.error is not None:
                        raise _stream_error(chunk)
                    self._walk.book_usage(chunk.usage)
                    emitted = await hooks.push(chunk)
                    if emitted is not None:
                        self._emit(emitted)
                    if hooks.verdict is not None:
                        return self._decided(hooks.verdict)
                    if self._done:
                        return None
        except ModelError as error:
            await self._release_holds(error)
            raise
        return await self._end_without_terminal()

    def _emit(self, chunk: LLMResponse) -> None:
        ctx = self._ctx
        if chunk.final:
            self._done = True
        Engine.accumulate(ctx, chunk)
        chunk = copy.deepcopy(chunk)  # what was sent does not change any more
        if ctx.stream.committed:
            self._walk.sent.append(chunk)
            return
        self._waiting.append(chunk)
        if self._done or chunk.has_content:
            self._commit()

    def _commit(self) -> None:
        ctx = self._ctx
        self._attempt.first_token = ctx.metrics.first_token = time.time()
        ctx.stream.opened = ctx.stream.committed = True
        self._walk.sent.extend(self._waiting)
        self._waiting.clear()

    def _decided(self, verdict: Verdict) -> Verdict | None:
        if verdict.action == "again" and not self._ctx.stream.committed:
            return verdict
        if verdict.action == "end":
            if not self._ctx.stream.committed:
                self._commit()
            return None
        raise verdict.error or RequestRejected(f"Plugin '{verdict.plugin}' refused the reply.", plugin=verdict.plugin)

    async def _end_without_terminal(self) -> Verdict | None:
        final = await self._hooks.push(LLMResponse(final=True))
        if self._hooks.verdict is not None:
            if final is not None:
                self._emit(final)
            return self._decided(self._hooks.verdict)
        self._emit(final or LLMResponse(final=True))
        return None

    async def _release_holds(self, error: ModelError) -> None:
        hooks = self._hooks
        if self._ctx.stream.committed and hooks.holding and hooks.verdict is None:
            rest = await hooks.push(LLMResponse(final=True, error=error.info()))
            if rest is not None and hooks.verdict is None:
                rest.final, rest.error = False, None
                self._walk.sent.append(rest)


def _stream_error(chunk: LLMResponse) -> ModelError:
    info = chunk.error
    assert info is not None
    return ModelStreamError(
        info.message,
        status=info.status if info.status >= 400 else 502,
        code=info.code,
        kind=info.kind,
        retry_after=info.retry_after,
        retryable=info.kind in ("rate_limit", "overloaded", "timeout", "upstream", "unknown"),
        info=info,
    )


_ENDPOINTS: dict[str, tuple[str, str]] = {
    "openai_chat": ("openai", "/v1/chat/completions"),
    "openai_responses": ("openai", "/v1/responses"),
    "anthropic": ("anthropic", "/v1/messages"),
}


def _context(asked: Asked, *, request_id: str, project: str, models: Sequence[str]) -> RequestContext:
    adapter, endpoint = _ENDPOINTS.get(asked.client_dialect, (asked.client_dialect, f"/{asked.client_dialect}"))
    request = asked.request
    understood = asked.operation not in ("models", "native")
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
