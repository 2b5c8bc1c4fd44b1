"""A value of another type than a vendor's, in any place of a request or a reply, raises DialectError at most.

A list where a text belongs fits no set and no dict as a key, a number where a list belongs has no length: each of these
is the client's mistake or the provider's, and would be answered 500. The places are generated from the types of the
vendors' SDKs, all nodes of them. ODD_LONG=1 tries each value in each place with each receiver.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from field_crossing import MODELS, dialects, request_of, tree_of
from five_apis import event_stream_message
from odd_values import ODD_VALUES, each_place, with_odd_value
from planted_replies import event_tree_of, reply_tree_of, stream_of, whole_of
from sdk_types import Node, minimal

from llm_gateway_sdk import Headers
from llm_gateway_sdk.dialect import Dialect, Echo, Target, WireReply, WireRequest
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.response import Accumulator
from llm_gateway_sdk.testing.dialect_laws import counting_mint
from llm_gateway_sdk.wire import json

DIALECTS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
LONG = bool(os.environ.get("ODD_LONG"))
MOST = 900
"""Bodies of one kind; the others have their turn in the long form."""

pytestmark = pytest.mark.timeout(1200)


def chosen(places: list[tuple[str, Any]]) -> Iterator[tuple[str, Any, Any, list[str]]]:
    """(path, what has the mark, value, receivers)"""
    every = 1 if LONG else 1 + len(places) // MOST
    for number, (path, marked) in enumerate(places[::every]):
        for place, odd in enumerate(ODD_VALUES):
            # Each place with a list, an object, or what is neither, and with one receiver each.
            if LONG or place % 7 == number % 7:
                yield path, marked, odd, DIALECTS if LONG else [DIALECTS[(number + place) % len(DIALECTS)]]


def refused(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns; None where it refuses."""
    try:
        return work(*arguments)
    except DialectError:
        return None


@cache
def echo_of(client: str) -> Echo:
    return dialects()[client].decode_request(request_of(client))[1]


def losses(dialect: Dialect, body: bytes) -> Losses:
    return Losses("response", dialect.field_names, body)


@pytest.mark.parametrize("sender", DIALECTS)
def test_a_request(sender: str) -> None:
    client = dialects()[sender]
    path_of_requests = request_of(sender).path
    tried = 0
    for path, marked, odd, receivers in chosen(list(each_place(tree_of(sender)))):
        body, tried = with_odd_value(marked, odd), tried + 1
        try:
            read = refused(client.decode_request, WireRequest(path=path_of_requests, body=body))
            for receiver in receivers if read is not None else ():
                found, target = Losses("request", client.field_names, body), Target(MODELS[receiver])
                refused(client.check_portable, read[0], found)
                refused(dialects()[receiver].translate, read[0], target, found, sender)
        except Exception as error:
            pytest.fail(f"{sender}{path} = {odd!r}: {error!r}")
    assert tried > 300


def replies_of(provider: str) -> list[tuple[str, Any]]:
    return [(path, whole_of(provider, marked)) for path, marked in each_place(reply_tree_of(provider))]


@pytest.mark.parametrize("provider", DIALECTS)
def test_a_whole_reply(provider: str) -> None:
    dialect, tried = dialects()[provider], 0
    for path, marked, odd, clients in chosen(replies_of(provider)):
        body, tried = with_odd_value(marked, odd), tried + 1
        try:
            dialect.usage_of(b"", body)
            dialect.rename_reply(body, "m")
            read = refused(dialect.decode_response, WireReply(200, Headers(), body), counting_mint())
            for client in clients if read is not None else ():
                written, mint, lost = dialects()[client], counting_mint(), losses(dialect, body)
                refused(written.encode_response, read, echo_of(client), mint, lost)
        except Exception as error:
            pytest.fail(f"{provider}{path} = {odd!r}: {error!r}")
    assert tried > 200


def events_of(provider: str) -> list[tuple[str, Any]]:
    """(path, (an event as it should be, the same with the mark in one place))"""
    tree: Node = event_tree_of(provider)
    kinds = tree.items if tree.kind == "union" else [tree]
    if provider == "bedrock":
        kinds = [Node("object", {name: (inner, True)}) for name, (inner, _) in tree.fields.items()]
    return [
        (f"<{number}>{path}", (minimal(kind), marked))
        for number, kind in enumerate(kinds)
        for path, marked in each_place(kind)
    ]


def streamed(provider: str, usual: Any, event: Any) -> bytes:
    """A stream with the event in the place of a usual one."""
    if provider != "bedrock":
        return stream_of(provider, [usual], instead=[event])
    ((kind, value),) = event.items()
    try:
        return stream_of(provider, [event])
    except (TypeError, AttributeError):
        # It is not even an object.
        begin = event_stream_message("messageStart", {"role": "assistant"})
        return begin + event_stream_message(kind, value)


def read_and_written(provider: str, clients: list[str], body: bytes) -> None:
    dialect = dialects()[provider]
    if provider != "bedrock":
        for event in body.split(b"\n\n"):
            dialect.event_kind(event)
    dialect.usage_of(body, body)
    decoder = dialect.stream_decoder(counting_mint())
    chunks = [*decoder.feed(body), *decoder.close()]
    total = Accumulator()
    for chunk in chunks:
        total.add(chunk)
    total.value()
    for client in clients:
        encoder = dialects()[client].stream_encoder(echo_of(client), counting_mint(), losses(dialect, body))
        for chunk in chunks:
            encoder.encode(chunk)
        encoder.close()


@pytest.mark.parametrize("provider", DIALECTS)
def test_an_event_of_a_stream(provider: str) -> None:
    tried = 0
    for path, (usual, marked), odd, clients in chosen(events_of(provider)):
        body, tried = streamed(provider, usual, json.loads(with_odd_value(marked, odd))), tried + 1
        try:
            refused(read_and_written, provider, clients, body)
        except Exception as error:
            pytest.fail(f"{provider}{path} = {odd!r}: {error!r}")
    assert tried > 150
