"""Every route of sessions and every outcome: what is begun is ended, and the ledger has what the provider reported.

The counterpart of test_accounting.py for WebSocket, where one connection holds several requests.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from accounting import REPORTED, Provider, adapters, models_of
from books import INPUT_PRICE, KEY, OUTPUT_PRICE, SPENT, Book, settings
from loopback import Gateway, gateway, run, until, upstream
from realtime_vendor import USAGE, RealtimeVendor
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Route

COUNTED = {"realtime": (USAGE["input_tokens"], USAGE["output_tokens"]), "messages": REPORTED}
OUTCOMES = ("ok", "refused", "error", "cut", "client left", "over the limit", "stranger")
REFUSED = {"refused": 400, "error": 500, "over the limit": 429, "stranger": 401}
"""By outcome the status."""


@dataclass(slots=True, frozen=True)
class Case:
    path: str
    is_messages: bool
    """Each message is a request by itself."""
    outcome: str

    def __str__(self) -> str:
        return f"{self.path} {self.outcome}"


@dataclass(slots=True)
class Found:
    status: int = 0
    """Of the refusal, in the handshake or in an event."""
    events: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[Any] = field(default_factory=list)
    lines: list[dict[str, int]] = field(default_factory=list)
    reached: int = 0
    """Sessions or requests that a provider has seen."""


def _routes() -> list[tuple[str, Route]]:
    models = [{"name": "m", "provider": {"type": "echo"}}]
    with GatewayClient(json.dumps({"models": models})) as client:
        project = client.gateway.projects["default"]
        return [
            (adapter.name, route)
            for adapter in project.adapters for route in adapter.routes if route.operation == "realtime"
        ]  # fmt: skip


ROUTES = _routes()
CASES = [Case(f"/{adapter}{route.path}", route.messages, outcome) for adapter, route in ROUTES for outcome in OUTCOMES]


async def everything(folder: Path) -> dict[str, Found]:
    provider, voices = Provider(), RealtimeVendor()
    voice = {"baseUrl": f"{voices.url}/v1", "model": "voice-up", "apiKey": "k", "retryAttempts": 1}
    prices = {"input": 1, "output": 10}
    try:
        async with upstream(provider) as up:
            models = [*models_of(up.url), {"name": "voice", "provider": {"type": "openai", "config": voice},
                                           "prices": prices}]  # fmt: skip
            async with gateway(settings(folder, models)) as served:
                book = Book(served)
                spent = {"authorization": f"Bearer {SPENT}", "x-case": "burnt", "x-outcome": "refused"}
                await served.ask({"model": "chat", "messages": []}, headers=spent)
                found = {str(case): await one(served, provider, voices, case) for case in CASES}
                await served.supervisor.drain(2)
                await book.read()
                for name, each in found.items():
                    each.hooks = served.plugin.seen.get(name, [])
                    ids = [hook[1] for hook in each.hooks if hook[0] == "before"]
                    each.lines = [line for request_id in ids for line in book.lines.get(request_id, [])]
                return found
    finally:
        voices.close()


async def one(served: Gateway, provider: Provider, voices: RealtimeVendor, case: Case) -> Found:
    found = Found()
    key = {"stranger": "unknown", "over the limit": SPENT}.get(case.outcome, KEY)
    headers = {"authorization": f"Bearer {key}", "x-case": str(case), "x-outcome": case.outcome, "x-target": "chat"}
    provider.expect(case.outcome)
    before = len(voices.visits)
    voices.refusal = (500, {"error": {"message": "no"}}) if case.outcome == "error" else None
    url = f"ws://127.0.0.1:{served.port}{case.path}" + ("" if case.is_messages else "?model=voice")
    try:
        connection = await connect(url, additional_headers=headers, proxy=None)
    except InvalidStatus as refusal:
        found.status = refusal.response.status_code
    else:
        await converse(connection, case, provider, found)
        connection.transport.abort()
    found.reached = len(voices.visits) - before + provider.calls
    seen = served.plugin.seen
    with suppress(TimeoutError):  # what is begun ends by itself; what does not fails its own case
        await until(lambda: balanced(seen.get(str(case), ())), 5)
    return found


def balanced(hooks: Any) -> bool:
    return [each[0] for each in hooks].count("before") == [each[0] for each in hooks].count("after")


async def converse(connection: ClientConnection, case: Case, provider: Provider, found: Found) -> None:
    """Asks once, and reads to the end of the answer, or leaves within it."""
    words = {"cut": "break", "client left": "slow"}.get(case.outcome, "hello")
    if case.is_messages:
        create: dict[str, Any] = {"type": "response.create", "model": "responses", "input": words, "store": False}
    else:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
        await connection.send(json.dumps({"type": "conversation.item.create", "item": item}))
        create = {"type": "response.create"}
    await connection.send(json.dumps(create))
    ends = ("response.done", "response.completed", "response.failed", "error")
    try:
        async with asyncio.timeout(10):
            while not found.events or found.events[-1]["type"] not in ends:
                found.events.append(json.loads(await connection.recv()))
                if case.outcome == "client left" and found.events[-1]["type"].endswith("text.delta"):
                    return
    except ConnectionClosed:
        pass
    found.status = int(found.events[-1].get("status") or 0) if found.events else 0


@pytest.fixture(scope="module")
def everything_found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    return run(everything(tmp_path_factory.mktemp("sessions")), seconds=110)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_session_is_on_the_books_as_often_as_it_was_answered(
    everything_found: dict[str, Found], case: Case
) -> None:
    found = everything_found[str(case)]
    if case.outcome in REFUSED:
        assert found.status == REFUSED[case.outcome]
    if case.outcome == "stranger":
        assert (found.hooks, found.lines, found.reached) == ([], [], 0)
        return
    begun = [hook[1] for hook in found.hooks if hook[0] == "before"]
    ended = [hook[3] for hook in found.hooks if hook[0] == "after"]
    assert sorted(begun) == sorted(ended)
    assert begun, "it was seen"
    assert len(set(begun)) == len(begun), "each once"
    used = [sum(line[measure] for line in found.lines) for measure in ("inputTokens", "outputTokens")]
    cost = sum(line["cost"] for line in found.lines)
    assert cost == used[0] * INPUT_PRICE + used[1] * OUTPUT_PRICE
    if case.outcome in ("refused", "over the limit"):
        assert found.reached == 0, "nothing went out"
    if case.outcome in REFUSED:
        assert used == [0, 0]
        return
    counted = COUNTED["messages" if case.is_messages else "realtime"]
    if case.outcome == "ok":
        assert tuple(used) == counted
        assert found.events[-1]["type"] in ("response.done", "response.completed")
    else:
        assert 0 < used[1] < counted[1], "what came of it, estimated"


def test_every_adapter_was_looked_at() -> None:
    assert {adapter for adapter, _ in ROUTES} <= set(adapters())
    assert len({(route.path, route.messages) for _, route in ROUTES}) >= 4
