"""A small sample of replies of all five APIs, each phenomenon once, through the dialects and through a whole gateway.

`bodies/*.yaml` is written after the vendors' documents: a reply, the events of the same reply as a stream, and what it
means. With the repository alone it can be seen that every API's replies arrive in every other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from field_crossing import SENDERS, request_of
from five_apis import models_of
from loss_features import dialects
from planted_replies import PlantedApi, reply_tree_of
from sampled_bodies import Case, cases, mint
from type_check import violations

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Accumulator, Headers, LLMResponse, Losses, ThinkingPart, WireReply
from llm_gateway_sdk.wire import json

ROUTES = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/gemini/v1beta/models/gemini:generateContent",
}

CASES = list(cases())
each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_whole = pytest.mark.parametrize("case", [case for case in CASES if case.whole is not None], ids=str)
each_client = pytest.mark.parametrize("client", SENDERS)


def read(dialect: str, body: bytes) -> LLMResponse:
    headers = Headers([("content-type", "application/json")])
    return dialects()[dialect].decode_response(WireReply(200, headers, body), mint())


def heard(dialect: str, pieces: list[bytes]) -> LLMResponse:
    """A stream as it is read piece by piece."""
    decoder, whole = dialects()[dialect].stream_decoder(mint()), Accumulator()
    for piece in pieces:
        for chunk in decoder.feed(piece):
            whole.add(chunk)
    for chunk in decoder.close():
        whole.add(chunk)
    assert decoder.finished
    return whole.value()


def meaning(reply: LLMResponse) -> dict[str, Any]:
    """The content of a reply, in the words of the files."""
    assert reply.error is None
    message, usage = reply.choices[0].message, reply.usage
    assert usage is not None
    found = {
        "text": message.text,
        "thinking": "".join(part.text for part in message.content if isinstance(part, ThinkingPart)),
        "calls": [[call.name, json.loads(call.arguments)] for call in message.tool_calls],
        "finish": reply.choices[0].finish_reason,
        "usage": [usage.input_tokens, usage.output_tokens],
        "cached": usage.cache_read_tokens,
    }
    return {key: value for key, value in found.items() if value not in ("", [], None, 0)}


# Each API by itself.


@each_whole
def test_a_reply_means_what_its_head_promises(case: Case) -> None:
    assert case.whole is not None
    assert meaning(read(case.dialect, case.whole)) == case.means


@each_case
def test_a_stream_means_the_same_wherever_it_is_cut(case: Case) -> None:
    assert meaning(heard(case.dialect, [case.stream])) == case.means
    assert meaning(heard(case.dialect, [bytes([byte]) for byte in case.stream])) == case.means
    for at in range(0, len(case.stream), 7):
        assert meaning(heard(case.dialect, [case.stream[:at], case.stream[at:]])) == case.means


# For clients of the others.


@each_client
@each_whole
def test_a_reply_means_the_same_to_each_client(case: Case, client: str) -> None:
    assert case.whole is not None
    dialect = dialects()[client]
    _, echo = dialect.decode_request(request_of(client))

    wire = dialect.encode_response(read(case.dialect, case.whole), echo, mint(), Losses("response"))

    assert meaning(read(client, wire.body)) == expected(case, client)
    if client not in ("openai_chat", "openai_responses"):  # what these add is listed in the tests of types
        assert violations(reply_tree_of(client), json.loads(wire.body)) == []


@each_client
@each_case
def test_a_stream_means_the_same_to_each_client(case: Case, client: str) -> None:
    dialect = dialects()[client]
    _, echo = dialect.decode_request(request_of(client, stream=True))
    encoder = dialect.stream_encoder(echo, mint(), Losses("response"))
    decoder = dialects()[case.dialect].stream_decoder(mint())

    written = b"".join(encoder.encode(chunk) for chunk in decoder.feed(case.stream) + decoder.close())
    written += encoder.close()

    assert meaning(heard(client, [written])) == expected(case, client)


def expected(case: Case, client: str) -> dict[str, Any]:
    """Anthropic's word for an answer that a filter stopped is that of a refusal."""
    means = dict(case.means)
    if client == "anthropic" and means["finish"] == "content_filter":
        means["finish"] = "refusal"
    return means


# Through a gateway.


@pytest.fixture(scope="module")
def api() -> Iterator[PlantedApi]:
    server = PlantedApi()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(api: PlantedApi) -> Iterator[GatewayClient]:
    with GatewayClient(json.dumps_text({"models": models_of(api.url)})) as client:
        yield client


def ask(gateway: GatewayClient, client: str, model: str, *, stream: bool) -> bytes:
    path, body = ROUTES[client], json.loads(request_of(client).body)
    if client == "gemini":
        path = path.replace("models/gemini:", f"models/{model}:")
        if stream:
            path = path.replace(":generateContent", ":streamGenerateContent") + "?alt=sse"
    else:
        body |= {"model": model, "stream": stream}
        if client == "openai_chat" and stream:
            body["stream_options"] = {"include_usage": True}
    answer = gateway.post(path, body, headers={"anthropic-version": "2023-06-01"})
    assert answer.status == 200, answer.text
    return answer.body


@pytest.mark.parametrize("case", [case for case in CASES if case.dialect in ROUTES], ids=str)
def test_within_one_api_the_bytes_stay(gateway: GatewayClient, api: PlantedApi, case: Case) -> None:
    if case.whole is not None:
        api.answer = ("application/json", case.whole)
        assert ask(gateway, case.dialect, case.dialect, stream=False) == case.whole
    api.answer = ("text/event-stream", case.stream)
    assert ask(gateway, case.dialect, case.dialect, stream=True) == case.stream


@pytest.mark.parametrize("client", ROUTES)
@each_case
def test_the_meaning_passes_a_gateway(gateway: GatewayClient, api: PlantedApi, case: Case, client: str) -> None:
    means = case.means if client == case.dialect else expected(case, client)
    if case.whole is not None:
        api.answer = ("application/json", case.whole)
        assert meaning(read(client, ask(gateway, client, case.dialect, stream=False))) == means
    kind = "application/vnd.amazon.eventstream" if case.dialect == "bedrock" else "text/event-stream"
    api.answer = (kind, case.stream)
    assert meaning(heard(client, [ask(gateway, client, case.dialect, stream=True)])) == means


@pytest.mark.parametrize("client", ROUTES)
@pytest.mark.parametrize("case", [case for case in CASES if case.dialect in ROUTES], ids=str)
def test_a_stream_that_its_server_calls_json_is_a_stream(
    gateway: GatewayClient, api: PlantedApi, case: Case, client: str
) -> None:
    api.answer = ("application/json", case.stream)

    came = ask(gateway, client, case.dialect, stream=True)

    assert meaning(heard(client, [came])) == (case.means if client == case.dialect else expected(case, client))
