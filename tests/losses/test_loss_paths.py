"""All dialects name what they lose by one vocabulary: the fields of the canonical types, by their own names.

Clients read losses in the words of their own API, by a table from canonical paths (`Dialect.field_names`). A path that
no canonical type has would reach every client as it is. So each field of the vendors' types is sent to each other
dialect without such a table, and every path that is reported must lead through the canonical types, or end in a key
that the client wrote: what has no canonical field is kept, and reported, under its own name.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

import pytest
from field_crossing import MODELS, SENDERS, dialects, fields_of, request_of
from reply_crossing import reply_fields_of

from llm_gateway_sdk import (
    DialectError,
    Headers,
    LLMRequest,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Target,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.parts import MediaKind, Part

for _sdk in ("openai", "anthropic", "google.genai", "botocore"):
    pytest.importorskip(_sdk)

KINDS = {"calls", "results", "thoughts", "media", "blocks", *typing.get_args(MediaKind)}
"""Parts of one kind, where a path names them in place of all `content`."""
WORDS = {"refusal", "thinking", "media"}
"""Parts of one kind, where a path has them at the place of a field of `content[*]`."""
SYSTEM = "system"
"""Leading messages that instruct."""
JSON_HEADERS = Headers([("content-type", "application/json")])


def steps(path: str) -> list[str]:
    return path.replace("[*]", ".[*]").split(".")


def leads(kind: Any, path: list[str]) -> bool:
    """Whether the steps lead from a value of the type to a field that it, or what it holds, has."""
    if not path:
        return True
    if kind is Any:
        return True
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(leads(each, path) for each in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return path[0] == "[*]" and leads(typing.get_args(kind)[0], path[1:])
    if typing.get_origin(kind) is dict:
        return leads(typing.get_args(kind)[1], path[1:])
    if not dataclasses.is_dataclass(kind):
        return False
    if kind in typing.get_args(Part) and path[0] in WORDS:
        return len(path) == 1
    hints = typing.get_type_hints(kind)
    if kind is Message and path[0] in KINDS:
        return leads(list[Part], path[1:])
    if kind is LLMRequest and path[0] == SYSTEM:
        return leads(Message, path[1:])
    return path[0] in hints and leads(hints[path[0]], path[1:])


def strangers(losses: Losses, kind: type, body: bytes) -> set[str]:
    found = {loss.path for loss in losses if not leads(kind, steps(loss.path))}
    return {path for path in found if b'"%b"' % steps(path)[-1].encode() not in body}


@pytest.mark.parametrize("path", ["colour", "messages.content", "tools[*].cache_control", "messages[*].content[*].x"])
def test_a_path_that_the_types_do_not_have_is_found(path: str) -> None:
    losses = Losses("request")
    losses.dropped(path)
    losses.dropped("messages[3].results[0].content[1].cache.ttl")
    losses.dropped("system.content[*].cache")

    assert strangers(losses, LLMRequest, b"{}") == {path}


@pytest.mark.parametrize("receiver", SENDERS)
def test_losses_of_requests_are_fields_of_the_canonical_request(receiver: str) -> None:
    odd: set[str] = set()
    reported = 0
    for sender in set(SENDERS) - {receiver}:
        base = request_of(sender)
        for field in fields_of(sender):
            losses, body = Losses("request"), json.dumps(field.present).encode()
            try:
                request, _ = dialects()[sender].decode_request(WireRequest(path=base.path, body=body))
                dialects()[receiver].translate(request, Target(MODELS[receiver]), losses, sender)
            except DialectError:
                continue
            reported += len(losses)
            odd |= strangers(losses, LLMRequest, body)

    assert odd == set()
    assert reported > 20


@pytest.mark.parametrize("receiver", SENDERS)
def test_losses_of_replies_are_fields_of_the_canonical_reply(receiver: str) -> None:
    odd: set[str] = set()
    mint = Mint(lambda prefix: f"{prefix}1", lambda: 1)
    client = dialects()[receiver]
    _, echo = client.decode_request(request_of(receiver))
    for sender in set(SENDERS) - {receiver}:
        for field in reply_fields_of(sender):
            losses, body = Losses("response"), json.dumps(field.present).encode()
            try:
                reply = dialects()[sender].decode_response(WireReply(200, JSON_HEADERS, body), mint)
                if reply.error is None:
                    client.encode_response(reply, echo, mint, losses)
            except DialectError:
                continue
            odd |= strangers(losses, LLMResponse, body)

    assert odd == set()
