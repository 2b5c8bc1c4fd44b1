"""A value that is not what an API promises is an error of the dialect, never one of the gateway.

One value of a body is put in the place of another: of requests with each field that there is, of replies and of events
of streams. Each is read, and written for the client or the provider of another API, or refused. WIRE_LONG=1 tries more.
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from field_crossing import SENDERS, cross, fields_of, request_of
from loss_features import dialects
from reply_crossing import cross_reply, reply_fields_of
from sampled_bodies import events_of, mint, stream_of

from llm_gateway_sdk import DialectError, Losses

MANY = 8000 if os.environ.get("WIRE_LONG") else 400
VALUES: tuple[Any, ...] = (
    None, "", [], {}, 1e300, -1, 0, "x" * 300, True, ["a"], {"type": "x"}, [None], {"a": None}, 10**30, 0.5,
)  # fmt: skip
each_dialect = pytest.mark.parametrize("dialect", SENDERS)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(inner, (*path, key))


def broken(chance: random.Random, body: Any, *, below: int = 0) -> Any:
    """A copy of the body with another value in one place, which is deeper than `below`."""
    body = copy.deepcopy(body)
    *way, last = chance.choice([path for path in places(body) if len(path) > below])
    holder = body
    for step in way:
        holder = holder[step]
    holder[last] = chance.choice(VALUES)
    return body


def another(chance: random.Random, dialect: str) -> str:
    return chance.choice([name for name in SENDERS if name != dialect])


@each_dialect
def test_requests(dialect: str) -> None:
    chance, bodies, refused = random.Random(dialect), [field.present for field in fields_of(dialect)], 0
    for _ in range(MANY):
        try:
            cross(dialect, another(chance, dialect), broken(chance, chance.choice(bodies)))
        except DialectError:
            refused += 1

    assert 0 < refused < MANY


@each_dialect
def test_replies(dialect: str) -> None:
    chance = random.Random(dialect)
    bodies, refused = [field.present for field in reply_fields_of(dialect, exceptions=True)], 0
    for number in range(MANY):
        try:
            cross_reply(
                dialect, another(chance, dialect), broken(chance, chance.choice(bodies)), stream=number % 2 == 0
            )
        except DialectError:
            refused += 1

    assert 0 < refused < MANY


@each_dialect
def test_streams(dialect: str) -> None:
    chance = random.Random(dialect)
    streams, refused = events_of(dialect), 0
    for _ in range(MANY // 2):
        events = broken(chance, chance.choice(streams), below=2 if dialect == "bedrock" else 1)
        if dialect in ("anthropic", "openai_responses") and not all(isinstance(each["type"], str) for each in events):
            continue  # the name of an event is a separate line there
        try:
            follow(dialect, chance.choice(SENDERS), stream_of(dialect, events))
        except DialectError:
            refused += 1

    assert 0 < refused < MANY // 2


def follow(provider: str, client: str, data: bytes) -> None:
    decoder, dialect = dialects()[provider].stream_decoder(mint()), dialects()[client]
    _, echo = dialect.decode_request(request_of(client, stream=True))
    losses = Losses("response")
    encoder = dialect.stream_encoder(echo, mint(), losses)
    for chunk in decoder.feed(data) + decoder.close():
        if chunk.error is not None:
            encoder.fail(chunk.error)
            return
        dialect.report_unwritten(chunk, losses)
        encoder.encode(chunk)
    encoder.close()
