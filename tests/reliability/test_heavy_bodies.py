"""No request holds the event loop: while heavy ones are served, `/health/live` answers and small requests go on.

HEAVY_LONG=1 tries every place, at the bounds of the default configuration, with one provider and set of plugins each,
which take turns; HEAVY_LONG=2 tries every place with all of them. HEAVY_SHOW=1 prints what each request took, and which
calls kept the interpreter from other threads for more than 5 ms (HEAVY_HELD_MS).
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bystanders import Bystanders, send_raw
from heavy_bodies import CLIENTS, MODEL_IN_PATH, Heavy, as_stream, heavy_bodies, heavy_inputs
from heavy_gateway import OTHER, PROJECTS, PROVIDERS, HeavyGateway

from llm_gateway_sdk.wire.text_bound import LARGEST_TEXT

LONG = os.environ.get("HEAVY_LONG", "") not in ("", "0")
ALL = os.environ.get("HEAVY_LONG") == "2"
ITEMS = 195_000
SIZE = 60 << 20 if LONG else 2 << 20
HEALTH_SECONDS = 0.1
SMALL_SECONDS = 0.06
"""What the slowest of a hundred small requests may take where heavy ones follow one another without a pause: each of
them has calls of the JSON engine for up to 200,000 values, and frees what was 60 MB, which let no other thread go
on."""
KEPT_SECONDS = 0.08
"""The same for clients of the Responses API, whose requests and replies are kept: that is a second whole body."""
MODEL = "@@model@@"
TRIES = 3
"""A case is slow only where it is slow each time: other programs of the machine hold up a test, too."""
COUNTS = {
    "openai_responses": "/openai/v1/responses/input_tokens",
    "anthropic": "/anthropic/v1/messages/count_tokens",
    "gemini": "/gemini/v1beta/models/{model}:countTokens",
}
SMALL: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "hello"}]},
    "openai_responses": {"input": "hello"},
    "anthropic": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
}
KINDS = ("list", "keys", "nested", "text", "odd")
REPLIES = ("text", "matches", "parts", "stream", "event")
Asked = tuple[str, str, str, bytes]
"""Name, project, path below it, and body of a request."""

pytestmark = pytest.mark.timeout(36_000 if LONG else 300)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeavyGateway]:
    served = HeavyGateway(tmp_path_factory.mktemp("heavy"), reply_bytes=(32 if LONG else 1) << 20)
    yield served
    served.close()


@pytest.fixture(scope="module")
def bystanders(gateway: HeavyGateway) -> Iterator[Bystanders]:
    clients = Bystanders(gateway.port, OTHER, gateway.pid)
    time.sleep(0.5)
    yield clients
    clients.close()


def judge(gateway: HeavyGateway, bystanders: Bystanders, ask: Callable[[], tuple[int, bytes]]) -> str | None:
    """What is wrong with how a request is served, None where nothing is."""
    waited = []
    for _ in range(TRIES):
        began = time.perf_counter()
        status, reply = ask()
        bystanders.settle()
        if os.environ.get("HEAVY_SHOW"):
            took = time.perf_counter() - began
            print(status, reply[:120], f"{bystanders.longest(began) * 1000:.0f} ms of {took:.2f} s")
            print("".join([f"    {line}\n" for line in gateway.held()]), end="")
        # An id of a file or store that the caller does not have is answered as one that there is not.
        is_foreign_id = status == 404 and b"No such" in reply
        if status >= 500 or (status in (401, 403, 404) and not is_foreign_id):
            return f"answered {status}: {reply[:300]!r}"
        waited.append(bystanders.longest(began))
        if waited[-1] < HEALTH_SECONDS:
            return None
    return f"held /health/live for {min(waited) * 1000:.0f} ms ({time.perf_counter() - began:.1f} s in all, {status})"


def serve(
    gateway: HeavyGateway, bystanders: Bystanders, asked: Iterator[Asked], small: float = SMALL_SECONDS
) -> list[str]:
    """What is wrong with how the requests are served, one after the other, and with what others had of it."""
    wrong = []
    began = time.perf_counter()
    time.sleep(0.3)
    idle, began = bystanders.p99(began), time.perf_counter()
    for name, project, path, body in asked:
        headers = gateway.headers(project)
        if os.environ.get("HEAVY_SHOW"):
            print(name, len(body))
        ask = functools.partial(send_raw, gateway.port, f"/{project}{path}", body, headers)
        found = judge(gateway, bystanders, ask)
        if found is not None:
            wrong.append(f"{name}: {found}")
    meanwhile, allowed = bystanders.p99(began), max(3 * idle, small)
    print(f"p99 of small requests: {meanwhile * 1000:.1f} ms, {idle * 1000:.1f} ms before; ", end="")
    print(f"slowest health answer {bystanders.longest(began) * 1000:.0f} ms")
    if meanwhile > allowed:
        wrong.append(f"small requests: p99 {meanwhile * 1000:.1f} ms, {idle * 1000:.1f} ms without heavy ones")
    return wrong


def chosen(cases: list[Heavy], turn: int = 0) -> list[Heavy]:
    """One case of each kind, each from another place of the type and in each turn from others."""
    if LONG:
        return cases
    kinds = [[case for case in cases if case.kind == kind] for kind in KINDS]
    return [
        same[(place + 2 * turn) * len(same) // (2 * len(KINDS)) % len(same)] for place, same in enumerate(kinds) if same
    ]


def halved(cases: list[Heavy], turn: int) -> list[Heavy]:
    """Every second of the chosen cases, the others in the next turn."""
    return cases if LONG else chosen(cases, turn)[turn % 2 :: 2]


class Turns:
    """The combinations of provider and project: all in the longest form, else the next of them each time."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self) -> list[tuple[int, str, str]]:
        """(a running number, provider, project)"""
        pairs = [(provider, project) for provider in PROVIDERS for project in PROJECTS]
        if not ALL:
            pairs = [pairs[7 * self._number % len(pairs)]]
        first, self._number = self._number, self._number + len(pairs)
        return [(first + place, *pair) for place, pair in enumerate(pairs)]


def requests(client: str) -> Iterator[Asked]:
    turns = Turns()
    for case in chosen(list(heavy_bodies(client, items=ITEMS, size=SIZE, model=MODEL)), list(CLIENTS).index(client)):
        for number, provider, project in turns():
            model = f"plain-{provider}"
            path, body = CLIENTS[client].format(model=model), case.body.replace(MODEL.encode(), model.encode(), 1)
            if number % 2:
                path, body = as_stream(client, path, body)
            yield f"{client}{case.path} ({case.kind}) to {provider} in {project}", project, path, body


def other_operations() -> Iterator[Asked]:
    """Counts of tokens, embeddings and a vendor's own endpoints."""
    turns = Turns()
    for turn, (client, route) in enumerate(COUNTS.items()):
        for case in halved(list(heavy_bodies(client, items=ITEMS, size=SIZE, model=MODEL)), turn):
            for number, provider, project in turns():
                model = f"plain-{provider}" if number % 3 else "echo"
                body = case.body.replace(MODEL.encode(), model.encode(), 1)
                name = f"count {client}{case.path} ({case.kind}) with {model} in {project}"
                yield name, project, route.format(model=model), body
    items = ITEMS if LONG else ITEMS // 4  # each is answered by a vector, which is most of the time
    for turn, case in enumerate(chosen(list(heavy_inputs(items=items, size=SIZE, model="plain-openai_chat")))):
        for project in PROJECTS if LONG else ["hides", "all"][turn % 2 :][:1]:
            yield f"embed {case.path} in {project}", project, "/openai/v1/embeddings", case.body
            yield f"native {case.path} in {project}", project, "/openai/v1/moderations", case.body


def echoed() -> Iterator[Asked]:
    """A provider in the gateway itself."""
    for turn, case in enumerate(chosen(list(heavy_bodies("openai_chat", items=ITEMS, size=SIZE, model="echo")))):
        whole = CLIENTS["openai_chat"], case.body
        both = whole, as_stream("openai_chat", *whole)
        for path, body in both if LONG else both[turn % 2 :][:1]:
            yield f"echo{case.path} {body[-20:]!r}", "plain", path, body


def small_requests_for_heavy_replies() -> Iterator[Asked]:
    turns = Turns()
    for turn, (client, route) in enumerate(CLIENTS.items()):
        for kind in REPLIES if LONG else REPLIES[turn % 2 :: 2]:
            for number, provider, project in turns():
                provider = "openai_chat" if kind in ("stream", "event") else provider
                model = f"{kind}-{provider}"
                body = json.dumps({**SMALL[client], **({} if client in MODEL_IN_PATH else {"model": model})}).encode()
                whole = route.format(model=model), body
                both = whole, as_stream(client, *whole)
                for path, sent in both if LONG else both[number % 2 :][:1]:
                    yield f"{client}, {kind} of {provider} in {project}, {path}", project, path, sent


@pytest.mark.parametrize("client", CLIENTS)
def test_a_heavy_request_holds_up_no_other(gateway: HeavyGateway, bystanders: Bystanders, client: str) -> None:
    small = KEPT_SECONDS if client == "openai_responses" else SMALL_SECONDS
    wrong = serve(gateway, bystanders, requests(client), small)

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("asked", [other_operations, echoed, small_requests_for_heavy_replies])
def test_neither_does_another_operation_nor_a_heavy_reply(
    gateway: HeavyGateway, bystanders: Bystanders, asked: Callable[[], Iterator[Asked]]
) -> None:
    wrong = serve(gateway, bystanders, asked())

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("client", CLIENTS)
def test_more_values_than_are_taken_are_refused_in_the_clients_shape(bystanders: Bystanders, client: str) -> None:
    """However many they are, the others go on."""
    cases = heavy_bodies(client, items=3_000_000, size=1, model="plain-gemini")
    case = next(case for case in cases if case.kind == "list")
    path = f"/plain{CLIENTS[client].format(model='plain-gemini')}"
    began = time.perf_counter()

    status, reply = send_raw(bystanders.port, path, case.body)

    answer = json.loads(reply)
    message = answer["message"] if client == "bedrock" else answer["error"]["message"]
    assert status == (400 if client == "bedrock" else 413)
    assert "200000 values" in message
    bystanders.settle()
    assert bystanders.longest(began) < 3 * HEALTH_SECONDS


@pytest.mark.parametrize("client", CLIENTS)
def test_a_text_of_too_wide_letters_is_refused_with_its_place(bystanders: Bystanders, client: str) -> None:
    """One letter makes all of it four bytes wide, by one call that would hold up the others."""
    cases = heavy_bodies(client, items=1, size=LARGEST_TEXT // 4, model="plain-gemini")
    case = next(case for case in cases if case.kind == "text" and "(one letter)" in case.path)
    before, piece, number, after = case.pieces
    path = f"/plain{CLIENTS[client].format(model='plain-gemini')}"
    began = time.perf_counter()

    status, reply = send_raw(bystanders.port, path, before + piece * number + "😀".encode() + after)

    answer = json.loads(reply)
    message = answer["message"] if client == "bedrock" else answer["error"]["message"]
    assert status == (400 if client == "bedrock" else 413)
    first, *_ = (key for key in json.loads(before + after) if key not in ("model", "max_tokens"))
    assert message.startswith(first)
    assert str(LARGEST_TEXT) in message
    bystanders.settle()
    assert bystanders.longest(began) < HEALTH_SECONDS
