"""The words of a session as plugins see and change them, event by event, in both directions.

    client ── event ──▶ before_model of plugins that edit requests ──▶ provider
    client ◀── event ── after_model of plugins that edit replies   ◀── provider

Every string of an event that may carry words is offered, wherever it is (`llm_gateway_sdk.texts`). Each event has a
separate context, for the plugins keep nothing of one for the next.

What comes in pieces can't be judged by the piece: a word that has to be hidden may be cut anywhere. So the deltas of a
text wait until its end has come (`….delta` until `….done`, `.completed` or `.failed` of the same place), and then go
out as one, changed as the whole is.

Sound is seen by no plugin. Where one edits, it is not handed on, in neither direction, unless the project allows what
its plugins can't see (`allowUnseenNative`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from llm_gateway_sdk import (
    Choice,
    GatewayError,
    LLMRequest,
    LLMResponse,
    Message,
    Part,
    Payload,
    RequestContext,
    RequestRejected,
    Verdict,
)
from llm_gateway_sdk.calling import Hook, run_phase
from llm_gateway_sdk.heavy import LIGHT_BYTES, run_aside
from llm_gateway_sdk.texts import TextPlace, walk_json

from ..json_texts import json_part, put_back, texts_of
from ..request import ClientRequest

__all__ = ["EventEdits", "carries_sound"]

Event = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

_MOST_HELD = 8 * 1024 * 1024
"""Characters of texts that wait for their end."""
_EVENT_CHARACTERS = 500
"""What an event takes besides its text, which may be empty."""
_ENDS = (".done", ".completed", ".failed")
_ROLES = frozenset({"user", "assistant", "system"})


class EventEdits:
    """What of the project's plugins edits. Where `edits` is False there is nothing to do."""

    def __init__(self, request: ClientRequest) -> None:
        chain = request.chain
        self._request = request
        self._before = [hook for hook in chain.before if hook.mounted.plugin.edits_request]
        self._after = [hook for hook in chain.after if _edits_reply(hook)]
        self.of_requests = chain.edits_request
        self.of_replies = chain.edits_reply
        self.edits = chain.edits_request or chain.edits_reply
        self.hides_sound = self.edits and not request.project.allow_unseen_native
        self._held: dict[tuple[Any, ...], list[Event]] = {}
        self._held_characters = 0

    async def to_provider(self, event: Event, *, aside: bool = False) -> None:
        """Changes a client's event to what plugins make of it. `aside`: it is large, and looked through in the thread
        for heavy bodies. Raises GatewayError where a plugin refuses it."""
        if not self._before:
            return
        places, messages = await (run_aside(_asked, event) if aside else _at_once(_asked, event))
        if not places:
            return
        ctx, before = self._context(), _texts_of(messages)
        ctx.request = LLMRequest(ctx.requested_model or "", messages)
        _raise(await run_phase(self._before, ctx))
        texts = _texts_of(ctx.request.messages)
        await (run_aside if aside else _at_once)(_put_back, event, places, before, texts)

    async def to_client(self, event: Event, *, aside: bool = False) -> list[Event]:
        """The provider's event as it goes on, perhaps after what was held of its text; none while a text waits for its
        end. `aside` as in `to_provider`. Raises GatewayError where a plugin refuses it."""
        kind = event["type"]
        if kind.endswith(".delta") and isinstance(event.get("delta"), str):
            self._hold(event)
            return []
        events = [event]
        if kind.endswith(_ENDS):
            held = self._held.pop(_place(event), [])
            if held:
                whole = "".join(each["delta"] for each in held)
                self._held_characters -= len(whole) + _EVENT_CHARACTERS * len(held)
                events.insert(0, {**held[0], "delta": whole})
        for each in events:
            held_text = each.get("delta")
            is_large = isinstance(held_text, str) and len(held_text) > LIGHT_BYTES
            await self._judge(each, aside=aside or is_large)
        return events

    def _hold(self, event: Event) -> None:
        self._held.setdefault(_place(event), []).append(event)
        self._held_characters += len(event["delta"]) + _EVENT_CHARACTERS
        if self._held_characters > _MOST_HELD:
            raise RequestRejected("Too much text of this session is held back.", status=502)

    async def _judge(self, event: Event, *, aside: bool) -> None:
        if not self._after:
            return
        places, parts = await (run_aside(_answered, event) if aside else _at_once(_answered, event))
        if not places:
            return
        ctx, before = self._context(), _texts_of([Message("assistant", parts)])
        response = LLMResponse(model=ctx.requested_model or "", choices=[Choice(message=Message("assistant", parts))])
        ctx.request = LLMRequest(ctx.requested_model or "")
        ctx.response_payload = Payload(None, response)
        _raise(await run_phase(self._after, ctx))
        left = ctx.response or response
        texts = _texts_of([left.message])
        await (run_aside if aside else _at_once)(_put_back, event, places, before, texts)

    def _context(self) -> RequestContext:
        session = self._request.ctx
        ctx = RequestContext(
            request_id=session.request_id,
            project=session.project,
            adapter=session.adapter,
            operation="realtime",
            http_request=session.http_request,
            available_models=session.available_models,
            requested_model=session.requested_model,
            client_ip=session.client_ip,
            client_dialect=session.client_dialect,
        )
        ctx.session = session.request_id
        ctx.principal, ctx.caller = session.principal, session.caller
        ctx.target_model, ctx.target_model_provider = session.target_model, session.target_model_provider
        ctx.metadata = dict(session.metadata)
        return ctx


def carries_sound(event: Event) -> bool:
    """Whether a client's event holds sound, or asks for the sound that the client has sent to be heard."""
    if event["type"].startswith(("input_audio_buffer.", "output_audio_buffer.")):
        return not event["type"].endswith(".clear")
    item = event.get("item")
    content = item.get("content") if isinstance(item, dict) else None
    if not isinstance(content, list):
        return False
    return any(isinstance(part, dict) and isinstance(part.get("audio"), str) for part in content)


def _edits_reply(hook: Hook) -> bool:
    plugin = hook.mounted.plugin
    return plugin.edits_request if plugin.edits_reply is None else plugin.edits_reply


def _role_of(event: Event) -> str:
    item = event.get("item")
    if not isinstance(item, dict):
        return "system"  # instructions, tools
    role = item.get("role")
    return role if isinstance(role, str) and role in _ROLES else "user"


def _place(event: Event) -> tuple[Any, ...]:
    """Of which text of which item a delta is a piece, or an end the end."""
    kind = event["type"]
    for ending in (".delta", *_ENDS):
        kind = kind.removesuffix(ending)
    return (kind, *(str(event.get(key)) for key in ("response_id", "item_id", "output_index", "content_index")))


async def _at_once(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return work(*args, **kwargs)


def _asked(event: Event) -> tuple[list[TextPlace], list[Message]]:
    """Each text as a message, but for the parts of one item, which receivers join: they are parts of one message."""
    places, role = list(walk_json(event, "")), _role_of(event)
    messages: list[Message] = []
    holder = None
    for place in places:
        found = _PART(place.path)
        if found is None or found.groups() != holder:
            holder = None if found is None else found.groups()
            messages.append(Message(role, []))
        messages[-1].content.append(json_part(place, place.text))
    return places, messages


_PART = re.compile(r"(.*\bcontent)\[\d+\]\.(\w+)").fullmatch
"""The path of a text of a part: which item's content, and which field."""


def _texts_of(messages: Sequence[Message]) -> list[str]:
    return [text for message in messages for text in texts_of(message.content)]


def _answered(event: Event) -> tuple[list[TextPlace], list[Part]]:
    places = list(walk_json(event, ""))
    return places, [json_part(place, place.text, number) for number, place in enumerate(places)]


def _raise(verdict: Verdict | None) -> None:
    if verdict is not None:
        raise verdict.error or RequestRejected(f"Plugin '{verdict.plugin}' refused the event.", plugin=verdict.plugin)


def _put_back(event: Event, places: Sequence[TextPlace], before: Sequence[str], texts: Sequence[str]) -> None:
    if len(texts) != len(places):
        raise GatewayError(
            "A plugin added or removed texts of a session's event, which can't be expressed.", code="plugin_error"
        )
    put_back(event, places, before, texts)
