"""`after_chunk` over one stream: each plugin has its own hold, and what it lets go is the next one's chunk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import CoroutineType
from typing import Any

from .calling import Hook, Verdict, decide_now, refuse
from .context import Engine, RequestContext
from .errors import RequestRejected
from .plugin import PluginResult
from .response import Accumulator, LLMResponse, merge

__all__ = ["ChunkRun"]

log = logging.getLogger("llm_gateway.plugins")

MAX_HELD_BYTES = 8 * 1024 * 1024
"""What one plugin may hold of one stream before the stream is refused."""


class ChunkRun:
    """`after_chunk` over one stream: each plugin has its own hold, and what it lets go is the next one's chunk."""

    __slots__ = ("_ctx", "_held", "_held_bytes", "_hooks", "verdict")

    def __init__(self, hooks: Sequence[Hook], ctx: RequestContext) -> None:
        self._hooks = hooks
        self._ctx = ctx
        self._held: list[Accumulator | None] = [None] * len(hooks)
        self._held_bytes = [0] * len(hooks)
        self.verdict: Verdict | None = None
        """Set when a hook ended the stream: nothing more may be pushed."""

    @property
    def holding(self) -> bool:
        """Whether a plugin keeps chunks back."""
        return any(held is not None for held in self._held)

    async def push(self, chunk: LLMResponse) -> LLMResponse | None:
        """The chunk for the client, or None while a plugin holds. `chunk.final` drains every hold.

        After the call `verdict` may be set; a chunk returned along with it goes out first.
        """
        emitted = self.push_now(chunk)
        return await emitted if isinstance(emitted, CoroutineType) else emitted

    def push_now(self, chunk: LLMResponse) -> LLMResponse | CoroutineType[Any, Any, LLMResponse | None] | None:
        """As `push`, without a coroutine where no hook waits; else that coroutine."""
        self._ctx.final_chunk = chunk.final
        return self._through(0, chunk)

    def _through(
        self, first: int, current: LLMResponse
    ) -> LLMResponse | CoroutineType[Any, Any, LLMResponse | None] | None:
        """Through the hooks from one on."""
        ctx = self._ctx
        try:
            for position in range(first, len(self._hooks)):
                hook, held = self._hooks[position], self._held[position]
                ctx.chunk = current
                if held is None:
                    Engine.set_buffer(ctx, current, None)
                else:
                    held.add(current)
                    Engine.set_buffer(ctx, None, held)
                result = decide_now(hook, ctx)
                if isinstance(result, CoroutineType):
                    return self._wait(position, current, result)  # type: ignore[return-value]  # see `decide_now`
                if result is not None or held is not None or current.final:
                    emitted = self._follow(position, current, result)
                    if emitted is None or self.verdict is not None or (result is not None and result.skip_remaining):
                        return emitted
                    current = emitted
                else:
                    current = ctx.buffered_chunk or current
            return current
        except BaseException:
            Engine.withhold_reply(ctx)
            raise

    async def _wait(
        self, position: int, current: LLMResponse, decision: CoroutineType[Any, Any, PluginResult | None]
    ) -> LLMResponse | None:
        """For the hook at `position`, and on through those after it."""
        try:
            result = await decision
        except BaseException:
            Engine.withhold_reply(self._ctx)
            raise
        emitted = self._follow(position, current, result)
        if emitted is None or self.verdict is not None or (result is not None and result.skip_remaining):
            return emitted
        rest = self._through(position + 1, emitted)
        return await rest if isinstance(rest, CoroutineType) else rest

    def _follow(self, position: int, current: LLMResponse, result: PluginResult | None) -> LLMResponse | None:
        """Does what a hook decided: the chunk that goes on, None where it is held or the stream ends without it."""
        ctx, hook = self._ctx, self._hooks[position]
        if result is not None and not result.success:
            self.verdict = refuse(result, hook, ctx)
            return None
        if result is not None and result.reevaluate_request:
            if not ctx.stream.committed:
                self.verdict = Verdict("again", hook.mounted.name)
                return None
            log.warning("plugin '%s' asked for another attempt after content was sent", hook.mounted.name)
        final = ctx.final_chunk
        if result is not None and not result.emit_chunk and not final and not result.terminate:
            self._hold(position, current)
            return None
        current = ctx.buffered_chunk or current
        if final and not current.final:
            current.final = True
        self._held[position] = None
        self._held_bytes[position] = 0
        if result is not None and (result.terminate or result.skip_remaining):
            current = self._release_after(position, current)
            if result.terminate:
                self.verdict = Verdict("end", hook.mounted.name)
        return current

    def _hold(self, position: int, current: LLMResponse) -> None:
        ctx, held = self._ctx, self._held[position]
        if held is None:
            held = self._held[position] = Accumulator()
            held.add(ctx.buffered_chunk or current)
        elif ctx.buffered_chunk is not None:
            # The hook may have changed what it holds.
            held = self._held[position] = Accumulator()
            held.add(ctx.buffered_chunk)
        self._held_bytes[position] += _weight(current)
        if self._held_bytes[position] > MAX_HELD_BYTES:
            name = self._hooks[position].mounted.name
            error = RequestRejected(f"Plugin '{name}' held back too much of the reply.", plugin=name)
            self.verdict = Verdict("refuse", name, error)
            Engine.withhold_reply(ctx)

    def _release_after(self, position: int, current: LLMResponse) -> LLMResponse:
        for later in range(position + 1, len(self._hooks)):
            held = self._held[later]
            if held is not None:
                current = merge(held.value(), current)
                self._held[later] = None
                self._held_bytes[later] = 0
        return current


def _weight(chunk: LLMResponse) -> int:
    return 64 + sum(
        len(getattr(part, "text", None) or "") + len(getattr(part, "arguments", ""))
        for choice in chunk.choices
        for part in choice.message.content
    )
