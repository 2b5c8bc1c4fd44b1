"""A text may hold half a surrogate pair, a NUL or a byte order mark wherever a text may be.

Each text of a body in turn is replaced; the body then crosses to another dialect, or is refused as DialectError.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
from field_crossing import SENDERS, cross, fields_of
from reply_crossing import cross_reply, reply_fields_of
from sampled_bodies import events_of, stream_of
from test_broken_bodies import follow, places

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.wire import json

ODD = ("\ud800x", "a\x00b", "\ufeffx")


def with_odd_text(body: Any, path: tuple[Any, ...], text: str) -> Any:
    if not path:
        return text
    key, *rest = path
    changed = dict(body) if isinstance(body, dict) else list(body)
    changed[key] = with_odd_text(body[key], tuple(rest), text)
    return changed


def variants(bodies: list[Any], *, below: int = 0) -> list[Any]:
    """Each body with each of its texts replaced, the same place of the same form once."""
    texts, made, seen = cycle(ODD), [], set()
    for body in bodies:
        for path in places(body):
            value = body
            for key in path:
                value = value[key]
            place = (tuple(key if isinstance(key, str) else "*" for key in path), json.dumps(value))
            if isinstance(value, str) and len(path) > below and place not in seen:
                seen.add(place)
                made.append(with_odd_text(body, path, next(texts)))
    return made


@pytest.mark.parametrize("dialect", SENDERS)
def test_requests(dialect: str) -> None:
    others = cycle([name for name in SENDERS if name != dialect])
    for body in variants([field.present for field in fields_of(dialect)]):
        try:
            cross(dialect, next(others), body)
        except DialectError:
            continue


@pytest.mark.parametrize("dialect", SENDERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_replies(dialect: str, stream: bool) -> None:
    others = cycle([name for name in SENDERS if name != dialect])
    for body in variants([field.present for field in reply_fields_of(dialect, exceptions=True)]):
        try:
            cross_reply(dialect, next(others), body, stream=stream)
        except DialectError:
            continue


@pytest.mark.parametrize("dialect", SENDERS)
def test_streams(dialect: str) -> None:
    others = cycle(SENDERS)
    for events in variants(events_of(dialect), below=2 if dialect == "bedrock" else 1):
        if dialect in ("anthropic", "openai_responses") and not all(each["type"].isprintable() for each in events):
            continue  # the name of an event is a separate line there
        try:
            follow(dialect, next(others), stream_of(dialect, events))
        except DialectError:
            continue
