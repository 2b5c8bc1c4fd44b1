"""What a plugin that does nothing costs, per request and per chunk: `python -m benchmarks.plugins`.

The hook chain alone, in µs of one core: what a further plugin adds, not what decoding a body costs for the first that
looks into it. Budgets: 20 µs per request, 3 µs per chunk; a plugin without `after_chunk` costs nothing per chunk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from llm_gateway_sdk import (
    Choice,
    HookChain,
    LLMRequest,
    LLMResponse,
    Message,
    MountedPlugin,
    Payload,
    Plugin,
    RequestContext,
    TextPart,
    plugin_metadata,
)
from llm_gateway_sdk.plugin import HOOKS

__all__ = ["cost_per_chunk", "cost_per_request", "main"]

_REQUESTS, _CHUNKS, _ROUNDS, _MORE = 2_000, 10_000, 5, 10
_CHUNK = LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("word ", index=0)]))])


def cost_per_request(*, asynchronous: bool, hooks: Sequence[str] = HOOKS) -> float:
    """µs that a further plugin adds to a request."""
    return _added(_time_requests, asynchronous=asynchronous, hooks=hooks)


def cost_per_chunk(*, asynchronous: bool, hooks: Sequence[str] = HOOKS) -> float:
    """µs that a further plugin adds to a chunk."""
    return _added(_time_chunks, asynchronous=asynchronous, hooks=hooks)


def _added(measure: Callable[[HookChain], Awaitable[float]], *, asynchronous: bool, hooks: Sequence[str]) -> float:
    async def run() -> float:
        one, many = (_chain(count, asynchronous=asynchronous, hooks=hooks) for count in (1, 1 + _MORE))
        least = [min([await measure(chain) for _ in range(_ROUNDS)]) for chain in (one, many)]
        return (least[1] - least[0]) / _MORE

    return asyncio.run(run())


def _chain(count: int, *, asynchronous: bool, hooks: Sequence[str]) -> HookChain:
    async def waits(self: Plugin, ctx: RequestContext) -> None:
        """Nothing to do."""

    def returns(self: Plugin, ctx: RequestContext) -> None:
        """Nothing to do."""

    members = dict.fromkeys(hooks, waits if asynchronous else returns)
    cls = plugin_metadata(name="idle")(type("Idle", (Plugin,), members))
    return HookChain([MountedPlugin(f"idle-{number}", cls()) for number in range(count)])


async def _time_requests(chain: HookChain) -> float:
    contexts = [_context() for _ in range(_REQUESTS)]
    started = time.perf_counter()
    for ctx in contexts:
        active = chain.select(ctx)
        await active.before_model(ctx)
        await active.after_model(ctx)
        await active.detached_after_response(ctx)
    return (time.perf_counter() - started) / _REQUESTS * 1e6


async def _time_chunks(chain: HookChain) -> float:
    ctx = _context()
    run = chain.select(ctx).chunk_run(ctx)
    started = time.perf_counter()
    for _ in range(_CHUNKS):
        await run.push(_CHUNK)
    return (time.perf_counter() - started) / _CHUNKS * 1e6


def _context() -> RequestContext:
    ctx = RequestContext(request_id="bench", request=Payload(None, LLMRequest()))
    ctx.response = LLMResponse()
    return ctx


def main() -> None:
    for name, asynchronous in (("def", False), ("async def", True)):
        request, chunk = cost_per_request(asynchronous=asynchronous), cost_per_chunk(asynchronous=asynchronous)
        print(f"{name:9}  {request:6.2f} µs per request  {chunk:6.2f} µs per chunk")
    without = cost_per_chunk(asynchronous=False, hooks=["before_model", "after_model"])
    print(f"without after_chunk                {without:6.2f} µs per chunk")


if __name__ == "__main__":
    main()
