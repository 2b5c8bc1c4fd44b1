"""A streamed reply that passed through unread and was kept for those who look at it afterwards."""

from __future__ import annotations

import asyncio
from time import perf_counter

from llm_gateway_sdk import Dialect, DialectError, LLMResponse, Mint, RequestContext
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.response import Accumulator

__all__ = ["HeavyRequest", "KeptReply"]

_SLICE_SECONDS = 0.001
_LONG = 256 * 1024
"""No more is read from a connection at once."""
_PIECE = 8 * 1024
"""Bytes between two looks at the clock: some thirty events."""


class KeptReply:
    """`decode` gives the reply as a value. Of a long one that takes long: `prepare`, where it was awaited before, has
    done the work in slices between which other requests go on."""

    __slots__ = ("_dialect", "_mint", "_pieces", "_prepared")

    def __init__(self, dialect: Dialect, pieces: list[bytes], mint: Mint) -> None:
        self._dialect = dialect
        self._pieces = pieces
        self._mint = mint
        self._prepared: LLMResponse | None = None

    def decode(self) -> LLMResponse:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            return prepared
        decoder, total = self._dialect.stream_decoder(self._mint), Accumulator()
        for data in self._pieces:
            for chunk in decoder.feed(data):
                total.add(chunk)
        for chunk in decoder.close():
            total.add(chunk)
        return total.value()

    def decode_begun(self) -> LLMResponse:
        """What came of a reply that broke off. Raises DialectError for what its dialect does not know."""
        decoder, total = self._dialect.stream_decoder(self._mint), Accumulator()
        for data in self._pieces:
            for chunk in decoder.feed(data):
                total.add(chunk)
        return total.value()

    async def prepare(self) -> None:
        """What can't be decoded is left to `decode`, which reports it."""
        if any(len(data) > _LONG for data in self._pieces):
            # An event of it is long, and is read in one.
            try:
                self._prepared = await run_aside(self.decode)
            except (DialectError, ValueError):
                pass
            return
        decoder, total = self._dialect.stream_decoder(self._mint), Accumulator()
        began = perf_counter()
        try:
            for data in self._pieces:
                for start in range(0, len(data), _PIECE):
                    for chunk in decoder.feed(data[start : start + _PIECE]):
                        total.add(chunk)
                    if perf_counter() - began > _SLICE_SECONDS:
                        await asyncio.sleep(0)
                        began = perf_counter()
            for chunk in decoder.close():
                total.add(chunk)
        except (DialectError, ValueError):
            return
        self._prepared = total.value()


class HeavyRequest:
    """What is to be decoded, before detached hooks look at it, of a request or reply that is heavy."""

    __slots__ = ("_ctx", "_reply")

    def __init__(self, ctx: RequestContext, reply: KeptReply | None) -> None:
        self._ctx = ctx
        self._reply = reply

    async def prepare(self) -> None:
        if self._ctx.request_payload is not None:
            await run_aside(self._ctx.request_payload.prepare)
        payload = self._ctx.response_payload
        if payload is None or payload.opened:
            return
        if self._reply is not None:
            await self._reply.prepare()
        else:
            await run_aside(payload.prepare)
