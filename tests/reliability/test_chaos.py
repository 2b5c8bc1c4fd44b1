"""Streams that break: the client always gets a valid stream in its dialect, or a valid error, in time."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from damage import RECORDED, events_of, run_damage, streams, violations
from loopback import ROUTES, Call, config, gateway, model, request, run, upstream

from llm_gateway_sdk.testing.recordings import load_recordings


@pytest.mark.parametrize("provider", RECORDED)
def test_every_kind_of_damage_leaves_the_client_with_a_valid_stream_or_error(provider: str) -> None:
    chance = random.Random(provider)
    found = [stream for stream in streams(provider) if len(stream) < 20_000]
    if not load_recordings(RECORDED[provider]) and not found:
        pytest.skip("the conformance kit is not here")
    chosen = found[:1] + chance.sample(found[1:], min(4, len(found) - 1))

    def offsets(stream: bytes) -> list[int]:
        return sorted(chance.sample(range(len(stream)), min(5, len(stream))))

    shown = run(run_damage([(provider, stream) for stream in chosen], offsets))

    assert shown > 100


@pytest.mark.parametrize("how", ["reset", "closed", "stalled", "dripped"])
def test_over_sockets_streams_break_at_event_boundaries_and_anywhere_else(how: str) -> None:
    chance = random.Random(how)
    kinds = {"chat": "openai", "messages": "anthropic"}

    async def main() -> None:
        now: dict[str, tuple[bytes, int]] = {}

        async def script(call: Call) -> None:
            stream, at = now["messages" if call.path.endswith("/messages") else "chat"]
            await call.open_stream()
            if how == "dripped":
                for place in range(0, len(stream), 5):
                    await call.chunk(stream[place : place + 5])
                await call.end_stream()
                return
            if at:
                await call.chunk(stream[:at])
            if how == "reset":
                await asyncio.sleep(0.002)
                call.reset()
            elif how == "stalled":
                await call.hang()
            else:
                call.writer.close()

        async with upstream(script) as up:
            models = [
                model(up.url, kind, name=dialect, streamIdleTimeout="40ms", firstTokenTimeout="40ms")
                for dialect, kind in kinds.items()
            ]
            async with gateway(config(*models, breaker={"enabled": False})) as served:
                for provider in kinds:
                    stream = chance.choice([one for one in streams(provider) if len(one) < 4000])
                    boundaries = [0]
                    for event in events_of(stream):
                        boundaries.append(boundaries[-1] + len(event))
                    places = chance.sample(boundaries[:-1], min(4, len(boundaries) - 1))
                    places += chance.sample(range(len(stream)), 4)
                    for at in places if how != "dripped" else [0]:
                        now[provider] = stream, at
                        for client, path in ROUTES.items():
                            started = time.monotonic()
                            body = request(client, stream=True) | {"model": provider}
                            reply = await served.ask(body, path=path)

                            where = f"{provider} to {client} at {at}: {reply.body!r:.2000}"
                            assert reply.whole, where
                            assert time.monotonic() - started < 2, where
                            if reply.status == 200:
                                wrong = violations(client, reply.body, complete=how == "dripped")
                                assert wrong == [] or not violations(client, reply.body, complete=True), where
                            else:
                                assert reply.json["error"]["message"], where

    run(main())
