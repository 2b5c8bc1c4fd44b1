"""`after_chunk` over one stream: each plugin has its own hold, and what it lets go is the next one's chunk."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .calling import Hook, Verdict, decide, refuse
from .context import Engine, RequestContext
from .errors import RequestRejected
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
        try:
            final = chunk.final
            ctx = self._ctx
            current: LLMResponse = chunk
            ctx.final_chunk = final
            for position, hook in enumerate(self._hooks):
                held = self._held[position]
                ctx.chunk = current
                if held is None:
                    Engine.set_buffer(ctx, current, None)
                else:
                    held.add(current)
                    Engine.set_buffer(ctx, None, held)
                result = await decide(hook, ctx)
                if result is None or result.success:
                    if result is not None and result.reevaluate_request and not ctx.stream.committed:
                        self.verdict = Verdict("again", hook.mounted.name)
                        return None
                    if result is not None and result.reevaluate_request:
                        log.warning("plugin '%s' asked for another attempt after content was sent", hook.mounted.name)
                    if result is not None and not result.emit_chunk and not final and not result.terminate:
                        if held is None:
                            held = self._held[position] = Accumulator()
                            held.add(ctx.buffered_chunk or current)
                        elif ctx.buffered_chunk is not None:
                            # The hook may have changed what it holds.
                            held = self._held[position] = Accumulator()
                            held.add(ctx.buffered_chunk)
                        self._held_bytes[position] += _weight(current)
                        if self._held_bytes[position] > MAX_HELD_BYTES:
                            name = hook.mounted.name
                            error = RequestRejected(f"Plugin '{name}' held back too much of the reply.", plugin=name)
                            self.verdict = Verdict("refuse", name, error)
                            Engine.withhold_reply(ctx)
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
                else:
                    self.verdict = refuse(result, hook, ctx)
                    return None
            return current
        except BaseException:
            Engine.withhold_reply(self._ctx)
            raise

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
