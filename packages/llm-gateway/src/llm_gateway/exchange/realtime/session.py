"""A session under way: two relays, and a watch over time.

    client ── relay ──▶ provider        each waits for the side it writes to, so that neither runs ahead
    client ◀── relay ── provider
    watch: pings, silence, the session's longest time, the end of the gateway

Whichever of the three comes to an end first ends the session, with a reason for each side.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import GatewayError, InvalidRequest, ModelStreamError, PayloadTooLarge, RequestRejected
from llm_gateway_sdk.heavy import LIGHT_BYTES, run_aside
from llm_gateway_sdk.operations.realtime import (
    TEXT_DELTAS,
    error_event,
    message_of_item,
    read_event,
    reply_of,
    session_models,
)
from llm_gateway_sdk.wire import json

from ..attempt import LiveAttempt
from ..body_bounds import refuse_beyond_bounds
from ..outlet import ByteSource
from ..request import ClientRequest
from .edits import EventEdits, carries_sound
from .message_pace import MessagePace
from .peer import GOING_AWAY, INTERNAL, POLICY, Closing, Message, Peer
from .session_limits import RealtimeLimits
from .turns import Turns

__all__ = ["Session"]

log = logging.getLogger("llm_gateway.exchange")

_CLOSE_SECONDS = 2.0
"""How long a side has to answer a close."""
_BROKEN = 1006


@dataclass(slots=True, frozen=True)
class _End:
    to_client: Closing
    to_provider: Closing
    error: GatewayError | None = None
    """Reported to the client before it is closed, and kept in the ledger."""


class Session:
    def __init__(
        self,
        request: ClientRequest,
        attempt: LiveAttempt,
        source: ByteSource,
        client: Peer,
        provider: Peer,
        turns: Turns,
        limits: RealtimeLimits,
        pace: MessagePace,
    ) -> None:
        self._pace = pace
        self._request = request
        self._attempt = attempt
        self._source = source
        self._client = client
        self._provider = provider
        self._turns = turns
        self._limits = limits
        self._edits = EventEdits(request)
        self._loop = request.loop
        self._last_message = self._loop.time()
        self._transcriber: str | None = None
        self.is_stuck = False
        """A side did not take its close: nothing more can be written to it."""
        asked = request.ctx.requested_model
        self._alias = asked if asked is not None and asked != attempt.model else None
        """What the client calls the model, where the provider calls it something else."""

    async def run(self) -> None:
        """Until the session is over and both sides are closed."""
        parts = [
            self._loop.create_task(work) for work in (self._relay_to_provider(), self._relay_to_client(), self._watch())
        ]
        end = _End(Closing(GOING_AWAY, "The gateway is shutting down."), Closing(GOING_AWAY))
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            end = next(part.result() for part in parts if part in done)
        except Exception as failure:
            log.error("realtime session %s failed", self._request.ctx.request_id, exc_info=failure)
            end = _End(Closing(INTERNAL, "The gateway failed."), Closing(GOING_AWAY))
        finally:
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
            await self._close(end)

    async def _close(self, end: _End) -> None:
        ctx = self._request.ctx
        if end.error is not None:
            ctx.error = ctx.error or end.error
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                if end.error is not None:
                    await self._report(end.error)
                await self._client.close(end.to_client)
                await self._provider.close(end.to_provider)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._client.drain(_CLOSE_SECONDS))
                    both.create_task(self._provider.drain(_CLOSE_SECONDS))
        except TimeoutError:
            self.is_stuck = True

    # The client's events.

    async def _relay_to_provider(self) -> _End:
        pace = self._pace
        while (message := await self._client.receive()) is not None:
            self._last_message = self._loop.time()
            passed = await self._judge(message)
            if passed is not None:
                await self._provider.send(passed)
            wait = pace.count()
            if wait > 0:
                await asyncio.sleep(wait)
        closing = self._client.closing
        return _End(closing.sendable(), Closing() if closing.code == _BROKEN else self._handed_on(closing))

    def _handed_on(self, closing: Closing) -> Closing:
        """A side's close as the other side gets it: a reason that no plugin has seen stays here."""
        sendable = closing.sendable()
        return Closing(sendable.code) if self._edits.hides_sound else sendable

    async def _judge(self, message: Message) -> Message | None:
        """The client's message as it goes on; None where it does not, which is reported to the client."""
        data = message.data
        is_large = len(data) > LIGHT_BYTES
        if is_large:
            try:
                await run_aside(refuse_beyond_bounds, data, self._limits.items)
            except PayloadTooLarge as error:
                await self._report(error)
                return None
        event = await run_aside(read_event, data) if is_large else read_event(data)
        if event is None:
            await self._report(InvalidRequest("A message has to be a JSON object with a `type`."))
            return None
        kind = event["type"]
        if self._edits.edits:
            refused = await self._edited(event, aside=is_large)
            if refused is not None:
                await self._report(refused, event.get("event_id"))
                return None
            written = await run_aside(json.dumps, event) if is_large else json.dumps(event)
            message = Message(written)  # and nothing that is written twice
        if kind == "input_audio_buffer.append":
            self._turns.added(audio_bytes=len(data))
        elif kind == "conversation.item.create":
            self._turns.takes(message_of_item(event.get("item")))
        elif kind in _UPDATES:
            return await self._judge_update(message, event)
        return message

    async def _edited(self, event: dict[str, Any], *, aside: bool) -> GatewayError | None:
        """Changes the event to what plugins make of it; why it does not go on, where one refuses it."""
        if self._edits.hides_sound and carries_sound(event):
            return RequestRejected(
                "A plugin of this project edits spoken words, and can't process audio: send text.",
                status=403, code="unseen_by_plugins", kind="permission",
            )  # fmt: skip
        try:
            await self._edits.to_provider(event, aside=aside)
        except GatewayError as refusal:
            return refusal
        return None

    async def _judge_update(self, message: Message, event: dict[str, Any]) -> Message | None:
        """Settings of the session: its model stays the one that was asked for, under the provider's name."""
        settings = event.get("session")
        model, transcriber = session_models(settings)
        principal = self._request.ctx.principal
        refusal: GatewayError | None = None
        if model is not None and model not in (self._attempt.model, self._request.ctx.requested_model):
            refusal = InvalidRequest("The model of a session can't be changed.", param="session.model")
        if transcriber is not None and principal is not None and not principal.may_use(transcriber):
            refusal = RequestRejected(
                f"The model '{transcriber}' is not open to this caller.",
                status=403, code="model_not_allowed", kind="permission",
            )  # fmt: skip
        if refusal is not None:
            await self._report(refusal, event.get("event_id"))
            return None
        assert isinstance(settings, dict) or (model is None and transcriber is None)
        self._transcriber = transcriber or self._transcriber
        if isinstance(settings, dict) and isinstance(settings.get("instructions"), str):
            self._turns.instruct(settings["instructions"])
        if model is not None and model != self._attempt.model:
            event["session"] = {**event["session"], "model": self._attempt.model}
            return Message(json.dumps(event))
        return message

    async def _report(self, error: GatewayError, about: Any = None) -> None:
        """An `error` event, in the words of the client's API."""
        request = self._request
        body = json.loads(request.dialect.encode_error(error.info()).body)
        words = body.get("error") if isinstance(body, dict) else None
        shown = {name: value for name, value in (words or {}).items() if name in ("type", "code", "message", "param")}
        event_id = request.services.mint.id("event_")
        about = about if isinstance(about, str) else None
        await self._client.send(Message(error_event(shown, event_id, about)))

    # The provider's events.

    async def _relay_to_client(self) -> _End:
        while (message := await self._provider.receive()) is not None:
            self._last_message = self._loop.time()
            end = await self._hand_on(message)
            if end is not None:
                return end
        closing = self._provider.closing
        if closing.code == _BROKEN:
            error = ModelStreamError("The connection to the model's provider was lost.", status=502, kind="upstream")
            return _End(Closing(INTERNAL, "The provider's connection was lost."), Closing(), error)
        return _End(self._handed_on(closing), closing.sendable())

    async def _hand_on(self, message: Message) -> _End | None:
        edits = self._edits
        if not edits.edits and b'audio.delta"' in message.data[:_HEAD]:  # by far the most, and nothing but sound
            self._turns.came(audio_bytes=len(message.data))
            await self._client.send(message)
            return None
        is_large = len(message.data) > LIGHT_BYTES
        event = await run_aside(read_event, message.data) if is_large else read_event(message.data)
        if event is None:
            if not edits.edits:
                await self._client.send(message)
            return None
        if edits.edits and event["type"].endswith("audio.delta"):
            self._turns.came(audio_bytes=len(message.data))
            if not edits.hides_sound:
                await self._client.send(Message(json.dumps(event)))
            return None
        if not edits.of_replies:
            return await self._pass(message, event)
        if event["type"] in TEXT_DELTAS:
            self._turns.came(text=str(event.get("delta")))
        try:
            events = await edits.to_client(event, aside=is_large)
        except GatewayError as refusal:
            return _End(Closing(POLICY, refusal.message), Closing(GOING_AWAY), refusal)
        for each in events:
            written = await run_aside(json.dumps, each) if is_large else json.dumps(each)
            end = await self._pass(Message(written), each)
            if end is not None:
                return end
        return None

    async def _pass(self, message: Message, event: dict[str, Any]) -> _End | None:
        kind = event["type"]
        if kind in _SESSION_EVENTS and self._alias is not None:
            message = _renamed(message, event, self._attempt.model, self._alias)
        if kind == "response.done":
            self._turns.reported(event.get("response"))
        await self._client.send(message)
        return await self._keep_books(kind, event)

    async def _keep_books(self, kind: str, event: dict[str, Any]) -> _End | None:
        turns = self._turns
        if kind in TEXT_DELTAS and not self._edits.of_replies:
            delta = event.get("delta")
            turns.came(text=delta if isinstance(delta, str) else "")
        elif kind == "response.created":
            turns.began(event.get("response"))
        elif kind == "response.done" and isinstance(event.get("response"), dict):
            response = event["response"]
            refusal = await turns.done(response, reply_of(response, self._alias or self._attempt.model))
            if refusal is not None:
                return _End(Closing(POLICY, refusal.message), Closing(GOING_AWAY), refusal)
        elif kind == "conversation.item.input_audio_transcription.completed":
            turns.transcribed(self._transcriber, event.get("usage"))
            transcript = event.get("transcript")
            item = {"role": "user", "content": [{"transcript": transcript}]}
            turns.remember(message_of_item(item))
        return None

    # Time.

    async def _watch(self) -> _End:
        limits, loop = self._limits, self._loop
        until = min(self._request.deadline, loop.time() + limits.longest)
        step = min(x for x in (limits.ping, limits.silence, limits.longest, 15.0) if x > 0) / 2
        pinged = loop.time()
        while True:
            leaving = self._source.going_away.is_set()
            if leaving and not self._turns.is_active:
                return _End(Closing(GOING_AWAY, "The gateway is shutting down."), Closing(GOING_AWAY))
            now = loop.time()
            if now >= until:
                text = "The session has reached its longest time."
                error = GatewayError(text, status=408, code="session_expired", kind="timeout")
                return _End(Closing(GOING_AWAY, text), Closing(GOING_AWAY), error)
            if now - self._last_message >= limits.silence and not self._turns.is_active:
                text = "Nothing was received on this session for too long."
                error = GatewayError(text, status=408, code="session_idle", kind="timeout")
                return _End(Closing(GOING_AWAY, text), Closing(GOING_AWAY), error)
            if limits.ping > 0 and now - pinged >= limits.ping:
                if now - self._client.heard > 2 * limits.ping:
                    return _End(Closing(GOING_AWAY), Closing(GOING_AWAY))
                pinged = now
                await self._client.ping()
                await self._provider.ping()
            await self._pause(max(0.02, min(step, until - now)), leaving=leaving)

    async def _pause(self, seconds: float, *, leaving: bool) -> None:
        if leaving:
            await asyncio.sleep(min(seconds, 0.05))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._source.going_away.wait()
        except TimeoutError:
            pass


def _renamed(message: Message, event: dict[str, Any], model: str, alias: str) -> Message:
    """The event with the model named as the client does."""
    session = event.get("session")
    if not isinstance(session, dict) or session.get("model") is None:
        return message
    name = session["model"]
    if not isinstance(name, str) or not name.startswith(model):  # also a dated version of it
        return message
    event["session"] = {**session, "model": alias}
    return Message(json.dumps(event))


_UPDATES = frozenset({"session.update", "transcription_session.update"})
_SESSION_EVENTS = frozenset({"session.created", "session.updated"})
_HEAD = 160
