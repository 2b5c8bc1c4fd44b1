"""A streamed reply through the canonical form: decoded, through the hooks, encoded for the client."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from llm_gateway_sdk import (
    DialectError,
    HTTPReply,
    LLMResponse,
    ModelError,
    ModelProtocolError,
    ModelStreamError,
    OpaquePart,
    StreamDecoder,
    StreamEncoder,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Verdict,
)
from llm_gateway_sdk.chunk_loop import ChunkLoop
from llm_gateway_sdk.dialects.restoring import RestoringDecoder
from llm_gateway_sdk.heavy import free_aside, run_aside
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.metering import record
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire.pieces import joined

from ..attempt import LiveAttempt
from ..client import ClientReply
from ..errors import scrub_info
from ..json_texts import letters_of
from ..long_replies import LONG_REPLY
from ..outlet import Outlet
from ..pacing import HEAVY_BYTES, PIECE_BYTES, WATCHED_BYTES, EventBound, pieces, too_large
from ..request import ClientRequest, EventRoom
from ..signed_reasoning import StreamedSignatures
from ..thoughts import thought_gate
from ..upstream import UpstreamCall, secrets_of
from .slicing import in_slices

__all__ = ["EVENTS", "decoded", "decoded_body", "deliver_chunks", "rest_of"]

EVENTS = re.compile(rb"\s*(?:data|event|id|retry)?:")
"""How a stream of server-sent events begins, whatever its server calls it."""
_REST_SECONDS = 0.5
_HEAVY_BYTES = 256 * 1024
"""Of a stream: what ends it, or puts it together, is done aside."""
_FEW_LETTERS = 16 * 1024
_MAX_REST_BYTES = 64 * 1024


async def deliver_chunks(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, source: AsyncIterator[list[LLMResponse]]
) -> Verdict | None:
    """Until the reply is whole, or a hook decides otherwise. Raises ModelError, and what a hook refuses with."""
    ctx, chain = request.ctx, request.chain
    if request.is_heavy:
        await request.prepare_echo()
    receiver = _Receiver(client, attempt)
    loop = ChunkLoop(ctx, chain, receiver, accumulate=request.retains)
    try:
        verdict = await loop.run(source)
        record(attempt.entry, loop.usage)
        attempt.settled = True
        return verdict
    except ModelError as error:
        http = attempt.target.http
        if http is not None:
            scrub_info(error.info(), secrets_of(request, http))
            error.message = error.info().message
        raise
    finally:
        attempt.reported = loop.usage
        if not attempt.settled and not attempt.is_heavy:
            attempt.partial = ctx.accumulated_response
        if receiver.losses:
            ctx.losses.extend(receiver.losses)
        if attempt.is_heavy:
            free_aside(loop, receiver)


class _Receiver:
    """Encodes what goes to the client. See ChunkReceiver."""

    __slots__ = (
        "_attempt",
        "_client",
        "_dialect",
        "_encoder",
        "_gate",
        "_letters",
        "_name",
        "_out",
        "_outlet",
        "_waiting",
        "_waits",
        "came",
        "let_through",
        "losses",
    )

    def __init__(self, client: ClientReply, attempt: LiveAttempt) -> None:
        self._client = client
        self._dialect = client.request.dialect
        self._attempt = attempt
        self._outlet: Outlet = client.open_outlet()
        self.losses = Losses("response", attempt.field_names)
        self._encoder: StreamEncoder = client.stream_encoder(self.losses)
        self._name = attempt.reply_name
        self._out: list[bytes] = []
        self._waiting: list[LLMResponse] = []
        """What is encoded aside at the next flush."""
        self._letters = 0
        """Of a heavy reply, since the last choice that ended aside."""
        self._waits = client.request.is_heavy
        """The next chunk is to be one of them: the first one may repeat all of a heavy request."""
        self._gate = thought_gate(client.request, attempt, self.losses)
        signatures = StreamedSignatures(self.losses)
        self.came: Callable[[LLMResponse], None] = signatures.came
        self.let_through: Callable[[LLMResponse], None] = signatures.judge

    def commit(self) -> None:
        self._attempt.writer = self._encoder
        self._client.commit(self._attempt)

    def emit(self, chunk: LLMResponse) -> None:
        if self._name is not None and chunk.model:
            chunk = replace(chunk, model=self._name)
        # Most chunks are a piece of text alone, and looking at them is without a call.
        unwritten: object = chunk.usage is not None or chunk.provider_metadata
        proven = False
        for choice in chunk.choices:
            unwritten = unwritten or choice.provider_metadata or choice.message.provider_metadata
            unwritten = unwritten or choice.logprobs is not None or choice.stop_sequence is not None
            for part in choice.message.content:
                proven = proven or part.signature is not None or type(part) is ThinkingPart
                unwritten = unwritten or part.provider_metadata or type(part) is OpaquePart
                unwritten = unwritten or (type(part) is TextPart and part.citations)
                unwritten = unwritten or (type(part) is ToolCallPart and part.namespace is not None)
        if unwritten:
            self._dialect.report_unwritten(chunk, self.losses)
        gate = self._gate
        if gate is not None and (proven or gate.watches):
            chunk = gate.let_through(chunk)
        if self._waits or (self._attempt.is_heavy and self._is_repeating(chunk)):
            self._waits = True
            self._waiting.append(chunk)
        else:
            self._out.append(self._encoder.encode(chunk))

    def emit_text(self, chunk: LLMResponse, text: str) -> None:
        if self._attempt.is_heavy:
            self._letters += len(text)
        data = None if self._waits else self._encoder.encode_text(text)
        if data is None:
            self.emit(chunk)
        else:
            self._out.append(data)

    def _is_repeating(self, chunk: LLMResponse) -> bool:
        """Whether what is written of it may repeat much: what ends a choice may repeat it, and what ends the reply all
        of that. A reply may have thousands of choices, and most end with a word."""
        for choice in chunk.choices:
            self._letters += sum(map(letters_of, choice.message.content))
        if chunk.final:
            return True
        if self._letters <= _FEW_LETTERS or not _is_ending(chunk):
            return False
        self._letters = 0
        return True

    async def flush(self) -> None:
        if self._waiting:
            await self._encode_waiting()
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            if data and not self._outlet.write_now(data):
                await self._outlet.write(data)

    async def end(self) -> None:
        if self._waiting:
            await self._encode_waiting()
        if self._gate is not None:
            self._gate.close()
        data = b"".join(self._out)
        self._client.status = 200
        close = self._encoder.close
        if not self._attempt.is_heavy and not self._client.request.is_heavy:
            await self._outlet.end(data + close())
            return
        if data:
            await self._outlet.write(data)
        await self._outlet.end(await run_aside(close))

    async def _encode_waiting(self) -> None:
        """What ends a long reply may repeat all of it."""
        waiting, self._waiting = self._waiting, []
        self._out.append(await run_aside(lambda: joined([self._encoder.encode(chunk) for chunk in waiting])))
        self._waits = False


def _is_ending(chunk: LLMResponse) -> bool:
    return any(choice.finish_reason is not None for choice in chunk.choices)


async def decoded(
    request: ClientRequest, attempt: LiveAttempt, reply: HTTPReply, call: UpstreamCall
) -> AsyncGenerator[list[LLMResponse], None]:
    """The chunks of a provider's stream, those of one read together."""
    services, stream = request.services, request.ctx.stream
    decoder = call.dialect.stream_decoder(services.mint)
    if call.names:
        decoder = RestoringDecoder(decoder, call.names)
    bound = EventBound(services.max_event_bytes) if call.dialect.sse else None
    limit, size = services.max_reply_bytes, 0
    most = PIECE_BYTES if not request.chain.chunk else WATCHED_BYTES
    idle, total, loop = attempt.idle, attempt.expires, request.loop
    room, collects = EventRoom(request, total), not request.ctx.streaming
    try:
        while data := await reply.receive():
            length = len(data)
            size += length
            if size > _HEAVY_BYTES:
                attempt.is_heavy = True
                if size > limit:
                    raise too_large(limit)
                if collects and size > LONG_REPLY:
                    await room.make_for(size)
            for piece in (data,) if length <= most else pieces(data, most):
                opened = 0
                if bound is not None and (bound.open or piece[-2:] != b"\n\n"):
                    opened = bound.open
                    bound.check(piece)
                    if bound.open > LONG_REPLY:
                        await room.make_for(bound.open)
                if opened > PIECE_BYTES or bound is None:
                    # It may complete a large event.
                    ends = bound is None or bound.open < opened + len(piece)
                    aside = opened > HEAVY_BYTES and ends
                    chunks = await run_aside(decoder.feed, piece) if aside else decoder.feed(piece)
                    async for batch in in_slices(chunks):
                        yield batch
                else:
                    chunks = decoder.feed(piece)
                    if chunks:
                        yield chunks
                if opened > LONG_REPLY and not collects and bound is not None and bound.open <= LONG_REPLY:
                    room.give_back()
                if piece is not data:
                    await asyncio.sleep(0)
            if stream.committed:
                due = loop.time() + idle
                if due < total:
                    reply.expire_at(due, "idle")
                else:
                    reply.expire_at(total, "total")
    except DialectError as error:
        raise _unreadable(error) from None
    except ModelError:
        if not decoder.finished:
            raise
    if rest := _rest(decoder):
        yield rest
    if not decoder.finished:
        raise ModelStreamError("The provider's stream ended early.")


def _rest(decoder: StreamDecoder) -> list[LLMResponse]:
    try:
        return decoder.close()
    except DialectError as error:
        raise _unreadable(error) from None


async def decoded_body(
    request: ClientRequest, attempt: LiveAttempt, body: bytes, call: UpstreamCall
) -> AsyncGenerator[list[LLMResponse], None]:
    """The chunks of a stream that is here as a whole, since its server calls it a document."""
    decoder = call.dialect.stream_decoder(request.services.mint)
    if call.names:
        decoder = RestoringDecoder(decoder, call.names)
    try:
        chunks = await run_aside(decoder.feed, body) if attempt.is_heavy else decoder.feed(body)
        chunks += decoder.close()
    except DialectError as error:
        raise _unreadable(error) from None
    async for batch in in_slices(chunks):
        yield batch
    if not decoder.finished:
        raise ModelStreamError("The provider's stream ended early.")


def _unreadable(error: DialectError) -> ModelProtocolError:
    return ModelProtocolError(f"The provider's stream is not what its API promises: {error}")


async def rest_of(request: ClientRequest, reply: HTTPReply) -> bytes:
    """What a provider still sends after the end, or after an error event; it may send nothing and keep the
    connection."""
    reply.expire_at(request.loop.time() + _REST_SECONDS, "idle")
    rest: list[bytes] = []
    try:
        while (data := await reply.receive()) and sum(map(len, rest)) < _MAX_REST_BYTES:
            rest.append(data)
    except ModelError:
        pass  # what came before the break is still theirs
    return b"".join(rest)
