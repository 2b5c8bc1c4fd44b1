"""The server's edge against clients that send slowly, wrongly, too much, or in the middle of something."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from loopback import (
    ROUTES,
    Call,
    answer,
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

BODY = json.dumps(request("chat")).encode()
HEAD = b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\n"
ASK = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY

SMUGGLED = {
    "length and chunks": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + ASK,
    "chunks and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + ASK,
    "two lengths": HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello" + ASK,
    "a list of lengths": HEAD + b"content-length: 5, 6\r\n\r\nhello" + ASK,
    "a signed length": HEAD + b"content-length: +5\r\n\r\nhello",
    "a negative length": HEAD + b"content-length: -5\r\n\r\nhello",
    "a length in hex": HEAD + b"content-length: 0x5\r\n\r\nhello",
    "an overflowing length": HEAD + b"content-length: 99999999999999999999999\r\n\r\nhello",
    "a chunk size that is none": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a negative chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "an overflowing chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a chunk without its line end": HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    "another last coding": HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings in two headers": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "space before the colon": HEAD + b"content-length : 5\r\n\r\nhello",
    "a folded header": HEAD + b"x-a: b\r\n content-length: 5\r\n\r\nhello",
    "NUL in a value": HEAD + b"x-a: a\0b\r\ncontent-length: 0\r\n\r\n",
    "NUL in a name": HEAD + b"x\0a: b\r\ncontent-length: 0\r\n\r\n",
    "a bare CR in a value": HEAD + b"x-a: a\rb\r\ncontent-length: 0\r\n\r\n",
    "a bare LF as line end": b"POST /openai/v1/chat/completions HTTP/1.1\nhost: g\ncontent-length: 0\n\n",
    "no version": b"POST /openai/v1/chat/completions\r\nhost: g\r\n\r\n",
    "another version": b"POST /openai/v1/chat/completions HTTP/3.7\r\nhost: g\r\n\r\n",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x99" * 40,
    "no method": b" /openai/v1/chat/completions HTTP/1.1\r\nhost: g\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n",
    "a URL with a raw space": b"POST /openai/v1/chat completions HTTP/1.1\r\nhost: g\r\n\r\n",
}


def test_a_request_that_two_servers_would_read_differently_never_reaches_a_provider() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            for name, data in SMUGGLED.items():
                client = await served.connect()
                await client.send_raw(data)
                status, _ = await client.head()
                await client.closed()

                assert 400 <= status < 500, name
                assert up.calls == [], name
                client.close()
            assert (await served.ask(request("chat"))).status == 200

    run(main())


def test_every_cut_of_a_request_is_read_the_same() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            for cut in range(1, len(ASK), 7):
                client = await served.connect()
                await client.send_raw(ASK[:cut])
                await asyncio.sleep(0)
                await client.send_raw(ASK[cut:])
                assert (await client.reply()).status == 200
                client.close()
            assert len({call.raw for call in up.calls}) == 1

    run(main())


def test_a_chunked_body_arrives_whole_and_its_trailers_are_no_headers() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            chunks = b"".join(
                b"%x;ext=1\r\n%s\r\n" % (len(BODY[i : i + 3]), BODY[i : i + 3]) for i in range(0, len(BODY), 3)
            )
            trailers = b"x-llm-gateway-timeout: 0\r\nx-evil: 1\r\n"
            await client.send_raw(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailers + b"\r\n")

            assert (await client.reply()).status == 200
            assert up.calls[0].body["messages"] == request("chat")["messages"]
            assert "x-evil" not in up.calls[0].headers
            client.close()

    run(main())


def test_pipelined_requests_are_answered_in_order() -> None:
    async def main() -> None:
        async def slow_first(call: Call) -> None:
            await asyncio.sleep(0.1 if call.body["messages"][0]["content"] == "0" else 0)
            await call.send(200, chat_whole(call.body["messages"][0]["content"]))

        async with upstream(slow_first) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            for number in range(20):
                await client.send("POST", ROUTES["chat"], request("chat", text=str(number)))
            words = [(await client.reply()).json["choices"][0]["message"]["content"] for _ in range(20)]

            assert words == [str(number) for number in range(20)]
            client.close()

    run(main())


def test_a_management_page_and_a_model_route_share_a_pipeline() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            health = b"GET /health/live HTTP/1.1\r\nhost: g\r\n\r\n"
            await client.send_raw(health + ASK + health + ASK)

            assert [(await client.reply()).status for _ in range(4)] == [200] * 4
            client.close()

    run(main())


def test_a_client_that_leaves_frees_the_call_in_front_of_its_pipeline() -> None:
    async def main() -> None:
        async def hang(call: Call) -> None:
            await call.hang()

        async with upstream(hang) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            await client.send_raw(ASK * 3)
            call = await up.wait_for()
            client.abort()

            async with asyncio.timeout(1):
                await call.gone.wait()
            await until(lambda: served.app.admission.in_flight == 0)
            assert len(up.calls) == 1

    run(main())


def test_nonsense_after_a_request_does_not_get_into_its_reply() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def drip(call: Call) -> None:
            events = chat_stream("a", "b")
            await call.open_stream()
            await call.chunk(b"".join(events[:2]))
            await go_on.wait()
            await call.chunk(b"".join(events[2:]))
            await call.end_stream()

        async with upstream(drip) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            await client.send("POST", ROUTES["chat"], request("chat", stream=True))
            await client.head()
            first = await client.read_chunk()
            await client.send_raw(b"\0\0\0 nonsense\r\n\r\n" + b"y" * 100_000)
            await asyncio.sleep(0.05)
            go_on.set()
            rest = bytearray()
            while piece := await client.read_chunk():
                rest += piece

            assert first + bytes(rest) == b"".join(chat_stream("a", "b"))
            assert await client.closed() == b""
            client.close()

    run(main())


@pytest.mark.parametrize("dialect", ROUTES)
def test_a_broken_body_is_refused_in_the_clients_own_form(dialect: str) -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            head = f"POST {ROUTES[dialect]} HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n"
            await client.send_raw(head.encode() + b'5\r\n{"mod\r\nzz\r\n')
            reply = await client.reply()

            assert reply.status == 400
            error_shape(dialect, reply.body)
            assert await client.closed() == b""
            client.close()

    run(main())


@pytest.mark.parametrize("dialect", ROUTES)
def test_a_body_that_is_too_large_is_refused_while_the_client_still_sends(dialect: str) -> None:
    async def main() -> None:
        limits = {"limits": {"maxBodyBytes": 100_000}}
        async with upstream(answer) as up, gateway(config(model(up.url), server=limits)) as served:
            client = await served.connect()
            head = f"POST {ROUTES[dialect]} HTTP/1.1\r\nhost: g\r\ncontent-length: 3000000\r\n\r\n"
            await client.send_raw(head.encode() + b"x" * 1_000_000)
            reply = await client.reply()

            assert reply.status == 413
            error_shape(dialect, reply.body)

            chunked = await served.connect()
            head = f"POST {ROUTES[dialect]} HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n"
            await chunked.send_raw(head.encode() + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 40)
            assert (await chunked.reply()).status == 413
            assert up.calls == []
            assert served.app.uploads.used == 0
            client.close()
            chunked.close()

    run(main())


def test_a_small_body_that_inflates_without_end_is_refused() -> None:
    async def main() -> None:
        limits = {"limits": {"maxBodyBytes": 100_000}}
        async with upstream(answer) as up, gateway(config(model(up.url), server=limits)) as served:
            bomb = gzip.compress(b" " * 50_000_000)
            reply = await served.ask(bomb, headers={"content-encoding": "gzip"})
            assert reply.status == 413
            fine = await served.ask(gzip.compress(BODY), headers={"content-encoding": "gzip"})
            assert fine.status == 200
            odd = await served.ask(BODY, headers={"content-encoding": "br"})
            assert odd.status == 415

    run(main())


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"".join(b"x-%d: %s\r\n" % (n, b"v" * 100) for n in range(2000)) + b"\r\n",
        HEAD + b"x-long: " + b"v" * 400_000,
        b"POST /" + b"p" * 400_000,
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x-t: v\r\n" * 40_000 + b"\r\n",
    ],
    ids=["many headers", "one header without end", "a path without end", "trailers without end"],
)
def test_a_head_without_end_is_refused(data: bytes) -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            for at in range(0, len(data), 50_000):
                await client.send_raw(data[at : at + 50_000])
                await asyncio.sleep(0)
            status, _ = await client.head()

            assert status == 431
            assert up.calls == []
            client.close()

    run(main())


def test_heads_bodies_and_silence_that_take_too_long_are_ended() -> None:
    async def main() -> None:
        limits = {"limits": {"headerTimeout": "300ms", "idleTimeout": "1s"}}
        async with upstream(answer) as up, gateway(config(model(up.url), server=limits)) as served:
            head, body, silent, newlines = [await served.connect() for _ in range(4)]

            async def drip(client: object, data: bytes, pause: float) -> None:
                try:
                    for at in range(len(data)):
                        await client.send_raw(data[at : at + 1])  # type: ignore[attr-defined]
                        await asyncio.sleep(pause)
                except ConnectionError:
                    pass

            dripping = [
                asyncio.ensure_future(drip(head, HEAD, 0.05)),
                asyncio.ensure_future(drip(newlines, b"\r\n" * 1000, 0.05)),
            ]
            await body.send_raw(HEAD + b"content-length: 500\r\n\r\n{")

            assert (await head.head())[0] == 408
            refused = await body.reply()
            assert refused.status == 408
            error_shape("chat", refused.body)
            assert await silent.closed() == b""
            assert await newlines.closed() == b""
            for task in dripping:
                task.cancel()
            await asyncio.gather(*dripping, return_exceptions=True)
            for client in (head, body, silent, newlines):
                client.close()

    run(main())


def test_a_body_in_drops_is_ended_and_a_long_stream_is_not() -> None:
    async def main() -> None:
        async def slow(call: Call) -> None:
            await call.open_stream()
            for event in chat_stream(*"abcdefgh"):
                await call.chunk(event)
                await asyncio.sleep(0.2)
            await call.end_stream()

        limits = {"limits": {"headerTimeout": "300ms", "idleTimeout": "1s"}}
        async with upstream(slow) as up, gateway(config(model(up.url), server=limits)) as served:
            long = await served.connect()
            await long.send("POST", ROUTES["chat"], request("chat", stream=True))
            drops = await served.connect()
            await drops.send_raw(HEAD + b"content-length: 100000\r\n\r\n")

            async def drip() -> None:
                try:
                    while True:
                        await drops.send_raw(b"x")
                        await asyncio.sleep(0.1)
                except ConnectionError:
                    pass

            dripping = asyncio.ensure_future(drip())
            assert (await drops.reply()).status == 408
            dripping.cancel()
            reply = await long.reply()
            assert reply.body == b"".join(chat_stream(*"abcdefgh"))
            for client in (long, drops):
                client.close()

    run(main())


def test_a_request_that_offers_an_upgrade_is_answered_as_http_1_1() -> None:
    """As the HTTP client of Java does with each request."""

    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            offer = (
                b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
            )
            client = await served.connect()
            await client.send_raw(HEAD + offer + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
            reply = await client.reply()
            assert reply.status == 200
            assert reply.json["choices"][0]["message"]["content"] == "hi"
            await client.send_raw(ASK)
            assert (await client.reply()).status == 200
            assert "upgrade" not in up.calls[0].headers
            assert "http2-settings" not in up.calls[0].headers

            health = await served.connect()
            await health.send_raw(b"GET /health/live HTTP/1.1\r\nhost: g\r\n" + offer + b"\r\n")
            assert (await health.reply()).status == 200

            socket_like = await served.connect()
            await socket_like.send_raw(
                b"GET /openai/v1/models HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            )
            assert (await socket_like.reply()).status == 200
            for one in (client, health, socket_like):
                one.close()

    run(main())


def test_http_1_0_gets_a_body_without_chunks() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            for stream in (False, True):
                client = await served.connect()
                body = json.dumps(request("chat", stream=stream)).encode()
                await client.send_raw(
                    b"POST /openai/v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body) + body
                )
                _, headers = await client.head()
                rest = await client.closed()
                assert "transfer-encoding" not in dict(headers)
                assert rest == b"".join(chat_stream("a", "b")) if stream else json.loads(rest) == chat_whole()
                client.close()

    run(main())


def test_head_requests_get_no_body() -> None:
    async def main() -> None:
        async with upstream(answer) as up, gateway(config(model(up.url))) as served:
            client = await served.connect()
            await client.send_raw(b"HEAD /openai/v1/chat/completions HTTP/1.1\r\nhost: g\r\n\r\n" + ASK)
            assert (await client.reply("HEAD")).status == 405
            assert (await client.reply()).status == 200
            client.close()

    run(main())


def test_expect_100_continue_is_answered_before_the_body() -> None:
    async def main() -> None:
        limits = {"limits": {"maxBodyBytes": 100_000}}
        async with upstream(answer) as up, gateway(config(model(up.url), server=limits)) as served:
            client = await served.connect()
            await client.send_raw(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY))
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            await client.send_raw(BODY)
            assert (await client.reply()).status == 200
            assert "expect" not in up.calls[0].headers

            await client.send_raw(HEAD + b"expect: 100-continue\r\ncontent-length: 200000\r\n\r\n")
            assert (await client.reply()).status == 413
            client.close()

    run(main())


def test_a_client_that_reads_nothing_holds_little_memory_and_is_cut_off() -> None:
    async def main() -> None:
        sent = 0

        async def flood(call: Call) -> None:
            nonlocal sent
            await call.open_stream()
            event = chat_event({"content": "x" * 16_000})
            while not call.gone.is_set():
                await call.chunk(event)
                sent += len(event)

        limits = {"limits": {"idleTimeout": "1s"}}
        async with upstream(flood) as up, gateway(config(model(up.url), server=limits)) as served:
            client = await served.connect(limit=2**14)
            await client.send("POST", ROUTES["chat"], request("chat", stream=True))
            await client.head()
            call = await up.wait_for()
            await until(lambda: served.app.generation.exchanges == 1)
            before = 0
            while before != sent or not sent:
                before = sent
                await asyncio.sleep(0.1)
            # In addition to the kernel's buffers of two connections, which grow to some megabytes each.
            assert sent < 24_000_000
            connection = next(iter(served.worker.server.door.connections))  # type: ignore[union-attr]
            assert connection.transport.get_write_buffer_size() < 1_000_000

            async with asyncio.timeout(6):
                await call.gone.wait()
            await until(lambda: served.app.generation.exchanges == 0)
            client.close()

    run(main())
