"""The chunk loop of one streamed reply: through the hooks, held, emitted, committed.

Nothing leaves before the first content, so that a provider that fails before it can be replaced unseen. What arrives
together leaves together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from llm_gateway_sdk import Attempt, LLMResponse, ModelError, ModelStreamError, RequestRejected, Verdict
from llm_gateway_sdk.context import Engine
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.losses import Losses

from .errors import scrub_info
from .signed import StreamedSignatures

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["ChunkLoop", "stream_error", "told_error"]


class ChunkLoop:
    """One per attempt."""

    def __init__(self, exchange: Exchange, attempt: Attempt) -> None:
        self._exchange = exchange
        self._attempt = attempt
        self._ctx = exchange.ctx
        self._outlet = exchange.open_outlet()
        self._losses = Losses("response")
        self._encoder = exchange.client.stream_encoder(exchange.echo, exchange.services.mint, self._losses)
        chain = exchange.chain
        self._hooks = chain.chunk_run(self._ctx) if chain.chunk else None
        self._accumulate = self._hooks is not None or bool(chain.detached) or exchange.services.keep_replies
        self._signatures = StreamedSignatures() if self._hooks is not None else None
        self._name = exchange.reply_name
        self._waiting: list[LLMResponse] = []
        self._out: list[bytes] = []
        self._committed = False
        self._done = False

    async def run(self, source: AsyncIterator[list[LLMResponse]]) -> Verdict | None:
        """Until the reply is whole, or a hook decides otherwise. Raises ModelError, and what a hook refuses with."""
        hooks = self._hooks
        try:
            async for chunks in source:
                for chunk in chunks:
                    if chunk.error is not None:
                        raise stream_error(chunk.error, sent=self._exchange.sent)
                    if chunk.usage is not None:
                        self._exchange.book_usage(chunk.usage)
                    if hooks is None:
                        self._emit(chunk)
                    else:
                        if self._signatures is not None:
                            self._signatures.came(chunk)
                        emitted = await hooks.push(chunk)
                        if emitted is not None:
                            self._emit(emitted)
                        if hooks.verdict is not None:
                            return await self._decided(hooks.verdict)
                    if self._done:
                        break
                await self._flush()
                if self._done:
                    return None
            return await self._end_without_terminal()
        except ModelError as error:
            await self._release_holds(error)
            raise
        finally:
            self._ctx.losses.extend(self._losses)

    def _emit(self, chunk: LLMResponse) -> None:
        if chunk.final:
            self._done = True
        if self._signatures is not None:
            self._signatures.judge(chunk, self._losses)
        if self._accumulate:
            Engine.accumulate(self._ctx, chunk)
        if self._committed:
            if self._name is not None:
                chunk = self._named(chunk)
            self._out.append(self._encoder.encode(chunk))
            return
        self._waiting.append(chunk)
        if self._done or chunk.has_content:
            self._commit()

    def _commit(self) -> None:
        self._committed = self._exchange.commit(self._attempt)
        self._exchange.stream_writer = self._encoder
        self._out.extend([self._encoder.encode(self._named(held)) for held in self._waiting])
        self._waiting.clear()

    def _named(self, chunk: LLMResponse) -> LLMResponse:
        return chunk if self._name is None or not chunk.model else replace(chunk, model=self._name)

    async def _flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        if self._done:
            self._exchange.status = 200
            await self._outlet.end(data + self._encoder.close())
        elif data:
            await self._outlet.write(data)

    async def _decided(self, verdict: Verdict) -> Verdict | None:
        if verdict.action == "again" and not self._committed:
            return verdict
        if verdict.action == "end":
            self._done = True
            if not self._committed:
                self._commit()
            await self._flush()
            return None
        await self._flush()
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
        await self._flush()
        return None

    async def _release_holds(self, error: ModelError) -> None:
        """The stream breaks off: what a plugin held back of it has come all the same, and reaches the client."""
        hooks = self._hooks
        if self._committed and hooks is not None and hooks.holding and hooks.verdict is None:
            rest = await hooks.push(LLMResponse(final=True, error=error.info()))
            if rest is not None and hooks.verdict is None:
                rest.final, rest.error = False, None
                self._out.append(self._encoder.encode(rest))
        data = b"".join(self._out)
        self._out.clear()
        if data:
            await self._outlet.write(data)


def stream_error(info: ErrorInfo, *, sent: Sequence[str] = ()) -> ModelError:
    """The error that a provider tells inside its stream. `sent` are credentials, which may not be quoted."""
    scrub_info(info, sent)
    return told_error(info, ModelStreamError)


def told_error(info: ErrorInfo, kind: type[ModelError] = ModelError) -> ModelError:
    """The error that a provider tells under a status that means success."""
    return kind(
        info.message,
        status=info.status if info.status >= 400 else 502,
        code=info.code,
        kind=info.kind,
        retry_after=info.retry_after,
        retryable=info.kind in ("rate_limit", "overloaded", "timeout", "upstream", "unknown"),
        info=info,
    )
