"""The chunk loop of one streamed reply: through the hooks, held, committed, emitted.

Nothing leaves before the first content, so that a provider that fails before it can be replaced unseen. What arrives
together leaves together. The gateway and the test harness use this one implementation; where chunks go is up to a
`ChunkReceiver`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import CoroutineType
from typing import Protocol

from .calling import Verdict
from .context import Engine, RequestContext
from .errors import TRANSIENT_KINDS, ErrorInfo, ModelError, ModelStreamError, RequestRejected
from .hooks import ActiveChain
from .response import LLMResponse, Usage, merge_usage
from .text_run import TextRun

__all__ = ["ChunkLoop", "ChunkReceiver", "reported_error"]


class ChunkReceiver(Protocol):
    """Takes what goes to the client."""

    came: Callable[[LLMResponse], None]
    """Takes a chunk as the provider sent it, before the hooks; only called where there are any."""
    let_through: Callable[[LLMResponse], None]
    """Takes a chunk as the hooks let it go, before it is sent, and may change it; only called where there are hooks,
    and not for what `emit_text` takes."""

    def commit(self) -> None:
        """The first content is about to go: from here on no other attempt is possible."""
        ...

    def emit(self, chunk: LLMResponse) -> None:
        """The chunk goes to the client with the next `flush` or `end`."""
        ...

    def emit_text(self, chunk: LLMResponse, text: str) -> None:
        """The same for a chunk that equals the last one but for its text, and holds nothing else. It has not been
        handed to `let_through`."""
        ...

    async def flush(self) -> None: ...

    async def end(self) -> None:
        """The reply is whole: what was emitted leaves, and then its end."""
        ...


class ChunkLoop:
    """One per attempt."""

    __slots__ = ("_accumulate", "_committed", "_ctx", "_done", "_hooks", "_receiver", "_run", "_waiting", "usage")

    def __init__(
        self, ctx: RequestContext, chain: ActiveChain, receiver: ChunkReceiver, *, accumulate: bool = True
    ) -> None:
        """Without `accumulate`, and without hooks, `ctx.accumulated_response` stays empty."""
        self._ctx = ctx
        self._receiver = receiver
        self._hooks = chain.chunk_run(ctx) if chain.chunk else None
        self._accumulate = accumulate or self._hooks is not None
        self._waiting: list[LLMResponse] = []
        self._run: TextRun | None = None
        """The last chunk that was emitted, where that was a text alone."""
        self._committed = False
        self._done = False
        self.usage: Usage | None = None
        """What the provider has reported so far."""

    async def run(self, source: AsyncIterator[list[LLMResponse]]) -> Verdict | None:
        """Until the reply is whole, or a hook decides otherwise. Raises ModelError, and what a hook refuses with."""
        hooks = self._hooks
        try:
            async for chunks in source:
                for chunk in chunks:
                    if chunk.error is not None:
                        raise reported_error(chunk.error, ModelStreamError)
                    if chunk.usage is not None:
                        self.usage = merge_usage(self.usage, chunk.usage)
                    if hooks is None:
                        self._emit(chunk)
                    else:
                        self._receiver.came(chunk)
                        emitted = hooks.push_now(chunk)
                        if isinstance(emitted, CoroutineType):
                            emitted = await emitted
                        if emitted is not None:
                            self._emit(emitted)
                        if hooks.verdict is not None:
                            return await self._decided(hooks.verdict)
                    if self._done:
                        break
                if self._done:
                    await self._receiver.end()
                    return None
                await self._receiver.flush()
            return await self._end_without_terminal()
        except ModelError as error:
            await self._release_holds(error)
            raise

    def _emit(self, chunk: LLMResponse) -> None:
        if self._run is not None:
            text = self._run.text_of(chunk)
            if text is not None:
                if self._accumulate:
                    Engine.accumulate_text(self._ctx, chunk)
                self._receiver.emit_text(chunk, text)
                return
            self._run = None
        if chunk.final:
            self._done = True
        if self._hooks is not None:
            self._receiver.let_through(chunk)
        if self._accumulate:
            Engine.accumulate(self._ctx, chunk)
        if self._committed:
            self._receiver.emit(chunk)
            self._run = TextRun.of(chunk)
            return
        self._waiting.append(chunk)
        if self._done or chunk.has_content:
            self._commit()

    def _commit(self) -> None:
        self._committed = True
        self._ctx.stream.opened = self._ctx.stream.committed = True
        self._receiver.commit()
        for waiting in self._waiting:
            self._receiver.emit(waiting)
        self._waiting.clear()

    async def _decided(self, verdict: Verdict) -> Verdict | None:
        if verdict.action == "again" and not self._committed:
            return verdict
        if verdict.action == "end":
            if not self._committed:
                self._commit()
            await self._receiver.end()
            return None
        await self._receiver.flush()
        raise verdict.error or RequestRejected(f"Plugin '{verdict.plugin}' refused the reply.", plugin=verdict.plugin)

    async def _end_without_terminal(self) -> Verdict | None:
        """The provider has finished and gave no terminal chunk: what plugins hold is still to be drained."""
        final: LLMResponse | None = LLMResponse(final=True)
        if self._hooks is not None and final is not None:
            final = await self._hooks.push(final)
            if self._hooks.verdict is not None:
                if final is not None:
                    self._emit(final)
                return await self._decided(self._hooks.verdict)
        self._emit(final or LLMResponse(final=True))
        await self._receiver.end()
        return None

    async def _release_holds(self, error: ModelError) -> None:
        """The stream breaks off: what a plugin held back of it has come all the same, and reaches the client."""
        hooks = self._hooks
        if self._committed and hooks is not None and hooks.holding and hooks.verdict is None:
            rest = await hooks.push(LLMResponse(final=True, error=error.info()))
            if rest is not None and hooks.verdict is None:
                rest.final, rest.error = False, None
                Engine.accumulate(self._ctx, rest)
                self._receiver.emit(rest)
        await self._receiver.flush()


def reported_error(info: ErrorInfo, kind: type[ModelError] = ModelError) -> ModelError:
    """The error that a provider reports inside its stream, or under a status that means success."""
    return kind(
        info.message,
        status=info.status if info.status >= 400 else 502,
        code=info.code,
        kind=info.kind,
        retry_after=info.retry_after,
        retryable=info.kind in TRANSIENT_KINDS,
        info=info,
    )
