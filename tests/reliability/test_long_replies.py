"""Long replies are bounded in memory together, whatever their clients do, and keep no one else waiting."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from loopback import (
    ROUTES,
    Call,
    Gateway,
    Reply,
    chat_event,
    chat_stream,
    chat_whole,
    config,
    error_shape,
    gateway,
    model,
    request,
    run,
    until,
    upstream,
)

from llm_gateway.exchange.long_replies import LongReplies, LongReply

pytestmark = pytest.mark.timeout(120)

MIB = 1 << 20
STEP = 4 * MIB


class Watched(LongReplies):
    """Notes how much was held at most."""

    most = 0

    def _give(self, reply: LongReply, size: int) -> None:
        super()._give(reply, size)
        self.most = max(self.most, self.held)


def watch(served: Gateway, limit: int) -> Watched:
    services = served.app.generation.gateway.services
    services.long_replies = replies = Watched(limit)
    return replies


def test_many_that_come_at_one_moment_hold_no_more_than_is_allowed() -> None:
    """60 replies of 8 MB, of which a quarter goes to clients that read nothing, and each fifth client leaves."""

    async def main() -> None:
        whole = json.dumps(chat_whole("x" * (8 * MIB))).encode()
        small = chat_whole("y")
        all_asked = asyncio.Event()

        async def answer(call: Call) -> None:
            if "small" in str(call.body):
                await call.send(200, small)
                return
            if len(up.calls) >= 60:
                all_asked.set()
            await all_asked.wait()
            await call.send(200, whole)

        async def ask(number: int) -> Reply | None:
            client = await served.connect(limit=2**14 if number % 4 == 0 else 2**22)
            await client.send("POST", ROUTES["chat"], request("chat"))
            if number % 4 == 0:
                return None
            if number % 5 == 0:
                await until(lambda: replies.held, 30)
                client.abort()
                return None
            return await client.reply(timeout=60)

        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            replies = watch(served, 32 * MIB)
            asked = [asyncio.ensure_future(ask(number)) for number in range(60)]
            await until(lambda: replies.waiting, 30)
            during = await served.ask(request("chat", text="small"))
            answers = [answer for answer in await asyncio.gather(*asked) if answer is not None]
            await until(lambda: not replies.held and not replies.waiting, 30)

            assert during.status == 200
            assert [(answer.status, len(answer.body)) for answer in answers] == [(200, len(whole))] * 36
            assert replies.most <= 32 * MIB + 8 * MIB + STEP

    run(main(), 110)


def test_streams_of_small_events_wait_for_no_long_reply() -> None:
    async def main() -> None:
        async def answer(call: Call) -> None:
            if call.streaming:
                await call.stream(b"".join(chat_stream("small")))
                return
            await call.send_raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            await call.send_raw(b"content-length: 90000000\r\n\r\n{" + b" " * (10 * MIB))
            await call.hang()

        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            replies = watch(served, STEP)
            stuck = [await served.connect() for _ in range(3)]
            for client in stuck:
                await client.send("POST", ROUTES["chat"], request("chat"))
            await until(lambda: replies.waiting)
            for form in ROUTES:
                reply = await served.ask(request(form, stream=True), path=ROUTES[form])
                assert (reply.status, reply.whole) == (200, True)
            assert replies.waiting
            metrics = await served.ask(path="/metrics", method="GET")
            text = metrics.body.decode()
            lines = dict(line.split(" ") for line in text.splitlines() if line.startswith("llm_gateway_long_"))
            assert float(lines["llm_gateway_long_replies_bytes"]) == replies.held
            assert float(lines["llm_gateway_long_replies_waiting"]) == replies.waiting
            for client in stuck:
                client.abort()
            await until(lambda: not replies.held and not replies.waiting)

    run(main())


@pytest.mark.parametrize("form", ROUTES)
def test_a_long_event_takes_room_until_it_has_gone(form: str) -> None:
    async def main() -> None:
        text = "z" * (5 * MIB)
        events = b"".join([chat_event({"content": "a"}), chat_event({"content": text}), *chat_stream("end")])

        async def answer(call: Call) -> None:
            await call.stream(events)

        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            replies = watch(served, STEP)
            answers = await asyncio.gather(
                *[served.ask(request(form, stream=True), path=ROUTES[form]) for _ in range(3)]
            )
            assert all(reply.status == 200 and reply.whole for reply in answers)
            if form == "chat":
                assert [reply.body for reply in answers] == [events] * 3
            assert replies.most >= 2 * STEP
            assert replies.most <= 4 * STEP
            assert (replies.held, replies.waiting) == (0, 0)

    run(main())


def test_what_ends_in_the_middle_gives_its_room_back() -> None:
    """Wherever it ends: a provider that breaks off, an answer that is none, a client that leaves, a time limit."""

    async def main() -> None:
        async def answer(call: Call) -> None:
            how = str(call.body["messages"][0]["content"])
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n"
            if how == "no JSON":
                await call.send(200, b"?" * (3 * MIB))
            elif how == "an error":
                await call.send(500, b"?" * (3 * MIB))
            else:
                await call.send_raw(head + b"{" + b" " * (2 * MIB))
                if how == "breaks":
                    call.reset()
                else:
                    await call.hang()

        settings: dict[str, Any] = {"requestTimeout": "30s"}
        async with upstream(answer) as up, gateway(config(model(up.url), **settings)) as served:
            replies = watch(served, STEP)
            for how, status in {"no JSON": 502, "an error": 500, "breaks": 502, "hangs": 504}.items():
                headers = {"x-llm-gateway-timeout": "1s"} if how == "hangs" else {}
                reply = await served.ask(request("chat", text=how), headers=headers)
                assert (how, reply.status) == (how, status)
                assert (replies.held, replies.waiting) == (0, 0), how
            client = await served.connect()
            await client.send("POST", ROUTES["chat"], request("chat", text="leaves"))
            await until(lambda: replies.held)
            client.abort()
            await until(lambda: not replies.held)

    run(main())


def test_there_is_an_end_to_the_waiting() -> None:
    """It is the gateway that is at its limit, and the provider is not blamed for it."""

    async def main() -> None:
        async def answer(call: Call) -> None:
            await call.send_raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            await call.send_raw(b"content-length: 90000000\r\n\r\n{" + b" " * (9 * MIB))
            await call.hang()

        late = {"name": "late", "timeout": "500ms"}
        async with upstream(answer) as up, gateway(config(model(up.url), model(up.url, **late))) as served:
            replies = watch(served, STEP)
            stuck = await served.connect()
            await stuck.send("POST", ROUTES["chat"], request("chat"))
            await until(lambda: replies.held > 2 * STEP)
            for form in ROUTES:
                reply = await served.ask({**request(form), "model": "late"}, path=ROUTES[form])
                assert reply.status == (529 if form == "messages" else 503)
                error_shape("messages" if form == "messages" else "chat", reply.body)
                assert reply.header("retry-after") == "2"
            assert served.targets()["late"].breaker.state == "closed"
            assert replies.waiting == 0

    run(main())
