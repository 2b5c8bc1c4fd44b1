"""A session between two peers: what is relayed, what is refused, what it costs, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.exchange.attempt import LiveAttempt
from llm_gateway.exchange.detached import DetachedSupervisor, KeptBudget
from llm_gateway.exchange.realtime.message_pace import MessagePace
from llm_gateway.exchange.realtime.peer import Closing, Message, Peer
from llm_gateway.exchange.realtime.session import Session
from llm_gateway.exchange.realtime.session_limits import RealtimeLimits
from llm_gateway.exchange.realtime.turns import Turns
from llm_gateway.exchange.request import ClientRequest
from llm_gateway_sdk import (
    ActiveChain,
    Attempt,
    HookChain,
    Mint,
    MountedPlugin,
    Plugin,
    PluginResult,
    Principal,
    RequestContext,
    plugin_metadata,
)

DONE = {
    "type": "response.done",
    "response": {
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}],
        "usage": {"input_tokens": 20, "output_tokens": 10},
    },
}
CREATED = {"type": "response.created", "response": {"id": "resp_1"}}


class Source:
    def __init__(self) -> None:
        self.going_away = asyncio.Event()
        self.bytes: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self.bytes.get()


@plugin_metadata(name="books")
class Books(Plugin):
    """Admits so many responses, and writes down what each has used."""

    def __init__(self, most: int = 100) -> None:
        self.most = most
        self.begun: list[RequestContext] = []
        self.settled: list[RequestContext] = []
        self.traced: list[RequestContext] = []

    def before_request(self, ctx: RequestContext) -> PluginResult | None:
        self.begun.append(ctx)
        if len(self.begun) > self.most:
            return PluginResult(success=False, status=429, error="The budget is spent.")
        return None

    def after_request(self, ctx: RequestContext) -> None:
        self.settled.append(ctx)

    def detached_after_response(self, ctx: RequestContext) -> None:
        self.traced.append(ctx)


class Stage:
    """A session with a client and a provider at its two ends, played by the test."""

    def __init__(self, books: Books, limits: RealtimeLimits, principal: Principal | None = None) -> None:
        ctx = RequestContext(request_id="req_1", operation="realtime", requested_model="voice")
        ctx.principal = principal
        self.ctx = ctx
        self.supervisor = DetachedSupervisor()
        chain: ActiveChain = HookChain([MountedPlugin("books", books)]).select(ctx)
        services = SimpleNamespace(
            supervisor=self.supervisor, followers=[], observers=[], mint=Mint(lambda prefix: prefix + "1", lambda: 1)
        )
        loop = asyncio.get_running_loop()
        request = SimpleNamespace(
            ctx=ctx, chain=chain, loop=loop, deadline=loop.time() + 100, dialect=OpenAIChat(), services=services,
            project=SimpleNamespace(registry=SimpleNamespace(find=lambda name: None)), retains=True,
        )  # fmt: skip
        entry = Attempt("voice", "openai/gpt-realtime")
        attempt = LiveAttempt(cast("Any", None), "gpt-realtime", entry, KeptBudget(0, 0))
        self.source = Source()
        down: asyncio.Queue[bytes] = asyncio.Queue()
        to_provider: asyncio.Queue[bytes] = asyncio.Queue()
        from_provider: asyncio.Queue[bytes] = asyncio.Queue()
        self.from_provider = from_provider
        uri = parse_uri("ws://g/")
        self.client = Peer(ClientProtocol(uri, state=State.OPEN), down.get, self.source.bytes.put)
        self.provider = Peer(ServerProtocol(state=State.OPEN), to_provider.get, from_provider.put)
        inner = Peer(ServerProtocol(state=State.OPEN), self.source.read, down.put)
        outer = Peer(ClientProtocol(uri, state=State.OPEN), from_provider.get, to_provider.put)
        self.turns = Turns(cast("ClientRequest", request), attempt)
        self.session = Session(
            cast("ClientRequest", request), attempt, self.source, inner, outer, self.turns, limits,
            MessagePace(limits.messages_per_second, asyncio.get_running_loop().time),
        )  # fmt: skip
        self.task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        assert await self.turns.admit() is None
        self.task = asyncio.create_task(self.session.run())

    async def sends(self, event: dict[str, Any]) -> None:
        await self.client.send(Message(json.dumps(event).encode()))

    async def answers(self, event: dict[str, Any]) -> None:
        await self.provider.send(Message(json.dumps(event).encode()))

    async def hears(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.client.receive(), 5)
        assert message is not None
        return cast("dict[str, Any]", json.loads(message.data))

    async def gets(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.provider.receive(), 5)
        assert message is not None
        return cast("dict[str, Any]", json.loads(message.data))

    async def ended(self) -> tuple[Closing, Closing]:
        """How the client's and the provider's side were closed."""
        while await asyncio.wait_for(self.client.receive(), 5) is not None:
            pass
        await self.client.drain(5)
        while await asyncio.wait_for(self.provider.receive(), 5) is not None:
            pass
        assert self.task is not None
        await asyncio.wait_for(self.task, 5)
        await self.turns.end()
        await self.supervisor.drain(1)
        return self.client.closing, self.provider.closing


def play(
    act: Callable[[Stage], Awaitable[None]],
    *,
    books: Books | None = None,
    limits: RealtimeLimits | None = None,
    principal: Principal | None = None,
) -> Books:
    books = books or Books()

    async def main() -> None:
        stage = Stage(books, limits or RealtimeLimits(), principal)
        await stage.begin()
        await act(stage)

    asyncio.run(main())
    return books


def test_events_are_relayed_both_ways_under_the_clients_name_of_the_model() -> None:
    async def act(stage: Stage) -> None:
        await stage.answers({"type": "session.created", "session": {"model": "gpt-realtime-2025-08-28", "id": "s"}})
        assert (await stage.hears())["session"] == {"model": "voice", "id": "s"}
        await stage.sends({"type": "session.update", "session": {"model": "voice", "voice": "alloy"}})
        assert (await stage.gets())["session"] == {"model": "gpt-realtime", "voice": "alloy"}
        await stage.sends({"type": "input_audio_buffer.append", "audio": "AAAA" * 20_000})
        assert len((await stage.gets())["audio"]) == 80_000
        await stage.answers({"type": "of.a.later.version", "x": [1]})
        assert await stage.hears() == {"type": "of.a.later.version", "x": [1]}
        await stage.client.close(Closing(1000, "done"))
        assert await stage.ended() == (Closing(1000, "done"), Closing(1000, "done"))

    play(act)


def test_each_response_is_settled_and_traced_by_itself() -> None:
    async def act(stage: Stage) -> None:
        await stage.sends({"type": "session.update", "session": {"instructions": "Be brief."}})
        for question in ("one", "two"):
            content = [{"type": "input_text", "text": question}]
            await stage.sends(
                {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}
            )
            await stage.answers(CREATED)
            await stage.answers(DONE)
            while (await stage.hears())["type"] != "response.done":
                pass
        await stage.client.close(Closing())
        await stage.ended()

    books = play(act)
    done = [ctx for ctx in books.settled if ctx.attempts]
    assert [ctx.metrics.input_tokens for ctx in done] == [20, 20]
    assert [ctx.metrics.output_tokens for ctx in done] == [10, 10]
    assert {ctx.session for ctx in books.begun} == {"req_1"}
    assert len({ctx.request_id for ctx in books.begun}) == 3, "two, and one that was admitted and never asked for"
    assert len(books.settled) == len(books.begun)
    traced = books.traced
    assert [ctx.response.text for ctx in traced if ctx.response] == ["hello", "hello"]
    assert [message.text for message in traced[1].request.messages] == ["Be brief.", "one", "hello", "two"]


def test_a_response_that_may_not_be_ends_the_session_with_the_reason() -> None:
    async def act(stage: Stage) -> None:
        await stage.answers(CREATED)
        await stage.answers(DONE)
        found = [await stage.hears() for _ in range(3)]
        assert [event["type"] for event in found] == ["response.created", "response.done", "error"]
        assert found[-1]["error"]["message"] == "The budget is spent."
        client, provider = await stage.ended()
        assert (client.code, provider.code) == (1008, 1001)
        assert str(stage.ctx.error) == "The budget is spent."

    books = play(act, books=Books(most=1))
    assert books.settled[0].metrics.total_tokens == 30


def test_what_is_not_an_event_is_refused_and_the_session_goes_on() -> None:
    async def act(stage: Stage) -> None:
        await stage.client.send(Message(b"not json"))
        assert (await stage.hears())["error"]["type"] == "invalid_request_error"
        await stage.sends({"type": "response.create"})
        assert await stage.gets() == {"type": "response.create"}, "nothing of the other came here"
        await stage.client.close(Closing())
        await stage.ended()

    play(act)


def test_more_values_than_are_taken_are_refused_and_the_session_goes_on() -> None:
    async def act(stage: Stage) -> None:
        await stage.client.send(Message(b'{"type": "x", "a": [' + b"1," * 60_000 + b"1]}"))
        assert "50000 values" in (await stage.hears())["error"]["message"]
        await stage.sends({"type": "response.create"})
        assert await stage.gets() == {"type": "response.create"}, "nothing of the other came here"
        await stage.client.close(Closing())
        await stage.ended()

    play(act, limits=RealtimeLimits(items=50_000))


@pytest.mark.parametrize(
    ("session", "code"),
    [
        ({"model": "another"}, None),
        ({"audio": {"input": {"transcription": {"model": "dear"}}}}, "model_not_allowed"),
        ({"input_audio_transcription": {"model": "dear"}}, "model_not_allowed"),
    ],
    ids=["model", "transcription", "transcription of the beta"],
)
def test_an_update_leads_to_no_other_model(session: dict[str, Any], code: str | None) -> None:
    async def act(stage: Stage) -> None:
        await stage.sends({"type": "session.update", "event_id": "mine", "session": session})
        error = (await stage.hears())["error"]
        assert (error["event_id"], error["code"]) == ("mine", code)
        await stage.client.close(Closing())
        await stage.ended()

    play(act, principal=Principal("key-1", "ann", models=("voice",)))


def test_what_a_client_has_added_is_counted_where_the_provider_does_not() -> None:
    """A response that breaks off has read the conversation before it, and what was new."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a few words " * 10}]}
    result = {"type": "function_call_output", "call_id": "c", "output": "what a tool has found " * 10}

    async def act(stage: Stage) -> None:
        await stage.sends({"type": "session.update", "session": {"instructions": "be kind to those who ask " * 10}})
        await stage.sends({"type": "conversation.item.create", "item": item})
        await stage.sends({"type": "conversation.item.create", "item": result})
        await stage.sends({"type": "input_audio_buffer.append", "audio": "A" * 64_000})
        for _ in range(4):
            await stage.gets()
        await stage.answers(CREATED)
        await stage.answers({"type": "response.output_text.delta", "delta": "some words that came"})
        for _ in range(2):
            await stage.hears()
        await stage.client.close(Closing())
        await stage.ended()

    ctx = play(act).settled[0]
    assert ctx.metrics.input_precision == "estimated"
    assert 10 + 100 <= (ctx.metrics.input_tokens or 0) <= 10 + 250, "a second of speech and three texts"


def test_a_provider_that_breaks_off_is_reported_and_what_came_is_estimated() -> None:
    async def act(stage: Stage) -> None:
        await stage.answers(CREATED)
        await stage.answers({"type": "response.output_text.delta", "delta": "some words that came"})
        await stage.answers({"type": "response.output_audio.delta", "delta": "A" * 64_000})
        for _ in range(3):
            await stage.hears()
        await stage.from_provider.put(b"")
        assert (await stage.hears())["type"] == "error"
        while await stage.client.receive() is not None:
            pass
        assert stage.client.closing.code == 1011
        assert stage.task is not None
        await stage.task
        await stage.turns.end()

    ctx = play(act).settled[0]
    assert ctx.metrics.usage_estimated
    assert 20 <= (ctx.metrics.output_tokens or 0) <= 40, "a second of speech and a few words"
    assert ctx.status == 499


@pytest.mark.parametrize(
    ("limits", "code"),
    [(RealtimeLimits(longest=0.1), "session_expired"), (RealtimeLimits(silence=0.1), "session_idle")],
    ids=["longest", "silence"],
)
def test_time_ends_a_session_with_a_word(limits: RealtimeLimits, code: str) -> None:
    async def act(stage: Stage) -> None:
        assert (await stage.hears())["error"]["code"] == code
        client, provider = await stage.ended()
        assert (client.code, provider.code) == (1001, 1001)

    play(act, limits=limits)


def test_the_end_of_the_server_waits_for_a_response_under_way() -> None:
    async def act(stage: Stage) -> None:
        await stage.answers(CREATED)
        await stage.hears()
        stage.source.going_away.set()
        await asyncio.sleep(0.15)
        assert stage.task is not None
        assert not stage.task.done()
        await stage.answers(DONE)
        assert (await stage.hears())["type"] == "response.done"
        assert (await stage.ended())[0].code == 1001

    books = play(act)
    assert books.settled[0].metrics.total_tokens == 30


def test_a_client_that_answers_no_ping_has_left() -> None:
    async def act(stage: Stage) -> None:
        assert stage.task is not None
        await asyncio.wait_for(stage.task, 5)
        assert stage.provider is not None

    play(act, limits=RealtimeLimits(ping=0.05))


def test_a_transcript_is_on_the_books_and_among_the_words() -> None:
    async def act(stage: Stage) -> None:
        kind = "conversation.item.input_audio_transcription.completed"
        usage = {"type": "tokens", "input_tokens": 5, "output_tokens": 2}
        await stage.answers({"type": kind, "transcript": "spoken", "usage": usage})
        await stage.answers(CREATED)
        await stage.answers(DONE)
        for _ in range(3):
            await stage.hears()
        await stage.client.close(Closing())
        await stage.ended()

    books = play(act)
    assert books.settled[0].metrics.total_tokens == 37
    assert [message.text for message in books.traced[0].request.messages] == ["spoken"]
