"""The responses of a session, each accounted as a separate request.

A session may last an hour and answer a hundred times. Were it one request, its limits would be checked once and its
spending known at its end. So each response is a *turn* with its own context: the caller is authenticated and
admitted for it, what it used is settled when it is done, and the trace has it as a row with its words.

    session begins ── turn 1 admitted ── response.done ── turn 1 settled, turn 2 admitted ── … ── session ends
                                                                │ refused: the session ends with that error

A turn is admitted before the response begins, for the provider may begin one by itself, when it hears that the user
has stopped speaking. The session itself counts towards limits of requests and of concurrency, a turn towards limits of
requests, tokens and cost.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from math import ceil
from typing import Any

from llm_gateway_sdk import (
    Attempt,
    GatewayError,
    LLMRequest,
    LLMResponse,
    Message,
    Part,
    RequestContext,
    RequestRejected,
    TextPart,
    ToolResultPart,
    Unauthorized,
    Usage,
    Verdict,
)
from llm_gateway_sdk.calling import run_authentication
from llm_gateway_sdk.estimate import estimate_text
from llm_gateway_sdk.lifecycle import Lifecycle
from llm_gateway_sdk.metering import add_attempt, record, record_cut
from llm_gateway_sdk.operations.realtime import usage_of

from ..attempt import LiveAttempt
from ..json_texts import letters_of
from ..request import ClientRequest

__all__ = ["Turns"]

_KEPT_MESSAGES = 200
_KEPT_BYTES = 256 * 1024
"""Of a session's words, for the next turn's row in the trace; the oldest are left out."""
_AUDIO_TOKENS = 20
"""Per second of speech that a model produces (by the API's reference one token for 50 ms)."""
_HEARD_TOKENS = 10
"""The same of speech that it hears (one token for 100 ms)."""
_AUDIO_BYTES = 48_000
"""Per second: 16-bit samples, 24,000 of them. Shorter codings are estimated too low, and only where a reply breaks
off."""


class Turns:
    """`attempt` is the session's."""

    def __init__(self, request: ClientRequest, attempt: LiveAttempt) -> None:
        self._request = request
        self._attempt = attempt
        self._number = 0
        self._ctx: RequestContext | None = None
        self._entry = Attempt("")
        """The response's own line in the ledger of its turn."""
        self._lifecycle: Lifecycle | None = None
        self._active: set[str] = set()
        """Ids of responses that have begun and are not done."""
        self._words: deque[Message] = deque(maxlen=_KEPT_MESSAGES)
        self._words_bytes = 0
        self._instructions = ""
        self._text_tokens = self._audio_tokens = 0.0
        """What came of the response under way, estimated."""
        self._last_input = 0
        """The conversation until the last response that the provider has counted, which the next one reads again."""
        self._new_input = 0.0
        """What the client has added to it since then, estimated."""
        self._reported: Usage | None = None
        """What the provider has counted of the response under way, whose end the client may not have taken yet."""
        self._settling: asyncio.Task[GatewayError | None] | None = None
        self._counted_until = time.monotonic()
        """Until when the session is on the books, for models that are paid by its length."""

    @property
    def is_active(self) -> bool:
        """A response is under way."""
        return bool(self._active)

    # The course of a turn.

    async def admit(self) -> GatewayError | None:
        """Why there may be no further response; None where there may."""
        self._number += 1
        ctx = self._ctx = self._new_context()
        chain = self._request.chain
        self._lifecycle = Lifecycle(chain.lifecycle, ctx) if chain.lifecycle else None
        try:
            if chain.authentication and self._number > 1:  # before the first one the session was
                verdict = await run_authentication(chain.authentication, ctx)
                if verdict is not None and verdict.action != "again":
                    return _refusal(verdict)
                if ctx.principal is None and ctx.caller is None:
                    return Unauthorized("The credential of this session is not valid any more.", code="invalid_api_key")
            verdict = await self._lifecycle.begin() if self._lifecycle is not None else None
        except GatewayError as error:
            return error
        return _refusal(verdict) if verdict is not None else None

    def began(self, response: Any) -> None:
        """The provider has begun a response."""
        name = str(response.get("id")) if isinstance(response, dict) else ""
        ctx = self._ctx
        if not self._active and ctx is not None:
            ctx.metrics.started = self._entry.started = time.time()
            for observer in self._request.services.followers:
                observer.began(ctx)
                observer.attempt_began(ctx)
        self._active.add(name)

    def added(self, *, text: str = "", audio_bytes: int = 0) -> None:
        """The client has added to the conversation, in case the provider never counts it. `audio_bytes` in base64."""
        self._new_input += estimate_text(text) if text else 0
        self._new_input += audio_bytes * 0.75 / _AUDIO_BYTES * _HEARD_TOKENS

    def came(self, *, text: str = "", audio_bytes: int = 0) -> None:
        """A piece of a response, in case the rest never comes. `audio_bytes` in base64."""
        self._text_tokens += estimate_text(text) if text else 0
        self._audio_tokens += audio_bytes * 0.75 / _AUDIO_BYTES * _AUDIO_TOKENS
        ctx = self._ctx
        if ctx is not None and ctx.metrics.first_token is None:
            ctx.metrics.first_token = self._entry.first_token = time.time()

    def reported(self, response: Any) -> None:
        """The provider has ended a response; the client is about to get that."""
        if isinstance(response, dict):
            self._reported = usage_of(response.get("usage"))

    async def done(self, response: dict[str, Any], reply: LLMResponse) -> GatewayError | None:
        """A response is done: settles it. Returns what `admit` returns for the next one."""
        # The session may end meanwhile, which must not end what settles it: `end` waits for that.
        self._settling = asyncio.ensure_future(self._done(response, reply))
        return await asyncio.shield(self._settling)

    async def _done(self, response: dict[str, Any], reply: LLMResponse) -> GatewayError | None:
        if not self._active:
            self.began(response)
        self._active.discard(str(response.get("id")))
        ctx = self._ctx
        if ctx is None:
            return None
        usage, entry = reply.usage, self._entry
        if usage is not None:
            record(entry, usage)
            self._last_input = (usage.input_tokens or 0) + (usage.output_tokens or 0)
            self._new_input = 0.0
        elif response.get("status") != "failed":
            self._estimate(entry)
        ctx.response = reply
        self.remember(Message("assistant", reply.message.content))
        if response.get("status") == "failed":
            ctx.status = 500
            entry.error = "the provider reports that the response failed"
        await self._settle()
        return await self.admit()

    def transcribed(self, model: str | None, found: Any) -> None:
        """A transcript of what the user has spoken, which another model has made. It is paid at that model's price
        where the project has it, else at the session's."""
        usage, ctx = usage_of(found), self._ctx
        if usage is None or ctx is None:
            return
        target = self._request.project.registry.find(model)
        name = target.name if target is not None else self._entry.model
        provider = self._entry.target.partition("/")[0]
        entry = Attempt(name, f"{provider}/{model or ''}", time.time(), status=200, ended=time.time())
        record(entry, usage)
        ctx.attempts.insert(0, entry)  # the response's own is the last

    async def end(self) -> None:
        """The session ends: settles what is open. What was under way is estimated."""
        if self._settling is not None:
            await asyncio.wait((self._settling,))
        ctx = self._ctx
        if ctx is None:
            return
        if self._active:
            self._estimate(self._entry, len(self._active))
            ctx.error = GatewayError("The session ended before the response did.", status=499, code="session_ended")
            ctx.status = 499
            self._active.clear()
            await self._settle()
        elif any(attempt.usage is not None for attempt in ctx.attempts):
            await self._settle()
        else:
            ctx.attempts.clear()  # nothing was asked for: nothing is charged
            await self._close()

    # The conversation, for the trace.

    def instruct(self, instructions: str) -> None:
        self._instructions = instructions[:_KEPT_BYTES]
        self.added(text=instructions)

    def takes(self, message: Message | None) -> None:
        """An item that the client has added to the conversation."""
        if message is not None:
            for part in message.content:
                self.added(text=_words_of(part))
        self.remember(message)

    def remember(self, message: Message | None) -> None:
        if message is None or not self._request.retains:
            return
        self._words.append(message)
        self._words_bytes += _size(message)
        while len(self._words) > 1 and self._words_bytes > _KEPT_BYTES:
            self._words_bytes -= _size(self._words.popleft())

    # Within.

    def _new_context(self) -> RequestContext:
        session = self._request.ctx
        ctx = RequestContext(
            request_id=f"{session.request_id}-{self._number}",
            project=session.project,
            adapter=session.adapter,
            operation="realtime",
            http_request=session.http_request,
            available_models=session.available_models,
            requested_model=session.requested_model,
            client_ip=session.client_ip,
            client_dialect=session.client_dialect,
            started=time.time(),
        )
        ctx.session = session.request_id
        ctx.principal, ctx.caller = session.principal, session.caller
        ctx.target_model = session.target_model
        ctx.target_model_provider = session.target_model_provider
        ctx.metadata = {**session.metadata, "session": session.request_id}
        of_session = self._attempt.entry
        entry = self._entry = Attempt(of_session.model, of_session.target, time.time(), status=200)
        ctx.attempts = [entry]
        self._text_tokens = self._audio_tokens = 0.0
        self._reported = None
        return ctx

    def _estimate(self, entry: Attempt, responses: int = 1) -> None:
        """What so many responses have used that were under way at once: each of them has read the conversation."""
        tokens = round(self._text_tokens + self._audio_tokens)
        reported = self._reported
        if reported is not None:
            record(entry, reported)
            responses, tokens = responses - 1, max(0, tokens - (reported.output_tokens or 0))
            ctx = self._ctx
            if not responses or ctx is None:
                return
            entry = Attempt(entry.model, entry.target, entry.started, status=200)
            ctx.attempts.insert(0, entry)  # the one that the turn began with is the last
        read = self._last_input + ceil(self._new_input)
        record_cut(entry, Usage(), input_tokens=responses * read, output_tokens=tokens)

    async def _settle(self) -> None:
        """Ends the context of the turn: ledger, metrics, `after_request`, trace."""
        ctx = self._ctx
        assert ctx is not None
        request = self._request
        services, chain = request.services, request.chain
        now, until = time.time(), time.monotonic()
        usage = self._entry.usage
        if usage is not None and usage.pieces is None:
            usage.pieces = {"session_second": ceil(until - self._counted_until)}
            self._counted_until = until
        for entry in ctx.attempts:
            entry.ended = entry.ended or now
            add_attempt(ctx.metrics, entry)
        ctx.metrics.ended = now
        ctx.metrics.duration_ms = (now - ctx.metrics.started) * 1000
        status = ctx.metadata.setdefault("status", 200)
        if request.retains:
            ctx.request = LLMRequest(ctx.requested_model or self._attempt.model, self._messages())
        for observer in services.followers:
            observer.attempt_ended(ctx)
        for observer in services.observers:
            observer.ended(ctx, status)
        await self._close()
        if chain.detached:
            services.supervisor.submit(chain, ctx)

    async def _close(self) -> None:
        """Runs `after_request`, to its end: the next turn may rest on what this one gives back."""
        lifecycle, self._lifecycle, self._ctx = self._lifecycle, None, None
        if lifecycle is not None:
            await lifecycle.end()

    def _messages(self) -> list[Message]:
        words = list(self._words)
        if words and words[-1].role == "assistant":
            words.pop()  # the reply itself
        return [Message("system", [TextPart(self._instructions)]), *words] if self._instructions else words


def _refusal(verdict: Verdict) -> GatewayError:
    return verdict.error or RequestRejected(f"Plugin '{verdict.plugin}' refused.", plugin=verdict.plugin)


def _size(message: Message) -> int:
    return sum(map(letters_of, message.content))


def _words_of(part: Part) -> str:
    if isinstance(part, ToolResultPart):
        return "".join(map(_words_of, part.content))
    return part.text if isinstance(part, TextPart) else ""
