"""How the gateway looks after batches: with a provider that fails, that has forgotten one, or that is slow."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from llm_gateway.exchange.batches.pending import PendingBatch, PendingBatches
from llm_gateway.exchange.batches.settling import Settler
from llm_gateway.exchange.detached import DetachedSupervisor, KeptBudget
from llm_gateway.exchange.services import ProjectScope, Services
from llm_gateway.operations.batches.openai_api import OpenAIBatchAPI
from llm_gateway.providers.openai import OpenAIProvider
from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import (
    Band,
    GatewayError,
    HookChain,
    ModelConnectionError,
    MountedPlugin,
    Plugin,
    Prices,
    Rates,
    RequestContext,
    plugin_metadata,
)
from llm_gateway_sdk.http import Room


@plugin_metadata(name="books")
class Books(Plugin):
    """Remembers what it was asked to settle."""

    def __init__(self) -> None:
        self.settled: list[tuple[Any, RequestContext]] = []
        self.fails = False
        self.is_choosy = False

    def before_model(self, ctx: RequestContext) -> None:
        return None

    def wants(self, phase: str, ctx: RequestContext) -> bool:
        if self.is_choosy:
            raise KeyError("x-header")
        return True

    async def settle_deferred(self, held: Any, ctx: RequestContext) -> None:
        if self.fails:
            raise RuntimeError("no")
        self.settled.append((held, ctx))


class Reply:
    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.headers, self._body = status, list[tuple[str, str]](), body

    async def receive(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        return await self.receive()

    def expire_at(self, when: float, reason: str) -> None: ...
    def close(self) -> None: ...


class Vendor:
    """An HTTP client before a scripted vendor: replies by path."""

    def __init__(self, replies: Mapping[str, Reply | Exception]) -> None:
        self.replies = dict(replies)
        self.asked: list[str] = []

    async def send(self, method: str, url: str, headers: Any, body: bytes, **_: Any) -> Reply:
        path = url.partition("/v1")[2]
        self.asked.append(path)
        reply = self.replies[path]
        if isinstance(reply, Exception):
            raise reply
        return Reply(reply.status, reply._body)


class Watched:
    def __init__(self) -> None:
        self.ended_with: list[RequestContext] = []

    needs_usage = needs_reply = follows_attempts = False

    def ended(self, ctx: RequestContext, status: int) -> None:
        self.ended_with.append(ctx)


class World:
    prices: Prices | None = None

    def __init__(self, replies: Mapping[str, Reply | Exception], **settings: Any) -> None:
        self.vendor, self.books, self.watched, self.store = Vendor(replies), Books(), Watched(), MemoryStore()
        self._settings = {"apiKey": "k", "baseUrl": "https://vendor.example/v1", "model": "gpt-x", **settings}

    async def settler(self) -> Settler:
        provider: Any = OpenAIProvider()
        await provider.configure(self._settings)
        provider.http = self.vendor

        class Target:
            name, http = "chat", provider

        Target.provider = provider  # type: ignore[attr-defined]
        known = {"names": ["chat"], "find": lambda _, name: Target, "prices_of_attempt": lambda _, attempt: self.prices}
        registry: Any = type("Registry", (), known)()
        chain = HookChain([MountedPlugin("books", self.books)])
        scope = ProjectScope("p", registry, chain)
        watched: Any = self.watched
        services = Services({}, DetachedSupervisor(), KeptBudget(1, 1), observers=[watched])
        return Settler(scope, services, PendingBatches(lambda: self.store, "p"), {"openai": OpenAIBatchAPI()})

    def look(self, *, times: int = 1, **more: Any) -> PendingBatch | None:
        async def run() -> PendingBatch | None:
            settler = await self.settler()
            fields: dict[str, Any] = {"shares": [share()], "held": {"books": "held"}, **more}
            await settler.pending.add(PendingBatch("b1", "k", "ann", "chat", "openai", "b1", "req_1", **fields))
            for _ in range(times):
                await settler.now("k", "ann", "b1")
            return await settler.pending.find("k", "ann", "b1")

        return asyncio.run(run())


def share(**more: Any) -> dict[str, Any]:
    return {"model": "chat", "provider_model": "gpt-x", "names": ["chat"], "lines": 2, **more}


def status(word: str, **more: Any) -> Reply:
    return Reply(200, json.dumps({"id": "b1", "status": word, **more}).encode())


USED = {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34}


def test_what_has_ended_is_settled_and_published_once() -> None:
    world = World({"/batches/b1": status("completed", usage=USED, request_counts={"completed": 2})})

    assert world.look(times=3, caller="ann") is None
    ((held, ctx),) = world.books.settled
    assert held == "held"
    assert (ctx.metrics.input_tokens, ctx.metrics.output_tokens, ctx.caller) == (30, 4, "ann")
    assert (ctx.attempts[0].model, ctx.attempts[0].target) == ("chat", "openai/gpt-x")
    assert ctx.metadata["batch"] == "b1"
    assert world.watched.ended_with == [ctx]
    assert world.vendor.asked == ["/batches/b1"]


def test_a_plugin_that_breaks_over_the_record_does_not_keep_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    world = World({"/batches/b1": status("completed", usage=USED, request_counts={"completed": 2})})
    world.books.is_choosy = True

    assert world.look(times=2) is None
    assert len(world.books.settled) == 1
    assert "batch b1 has no record" in caplog.text


def test_what_goes_on_is_looked_at_later() -> None:
    world = World({"/batches/b1": status("in_progress")})

    left = world.look(created=time.time() - 3000)

    assert left is not None
    assert left.claimed == 0
    assert 250 < left.due - time.time() < 350, "a tenth of its age"
    assert world.books.settled == []


@pytest.mark.parametrize(
    "reply", [ModelConnectionError("gone"), Reply(500, b""), Reply(200, b"<html>"), Reply(401, b"")]
)
def test_a_provider_that_fails_is_asked_again(reply: Reply | Exception) -> None:
    left = World({"/batches/b1": reply}).look(times=2)

    assert left is not None
    assert left.failures == 2
    assert left.claimed == 0


def test_what_its_provider_has_forgotten_is_charged_as_reserved() -> None:
    world = World({"/batches/b1": Reply(404, b"")})

    assert world.look(times=5) is None
    ((_, ctx),) = world.books.settled
    assert ctx.attempts[0].usage is None, "unknown, which is not zero"


def test_of_a_batch_that_failed_as_a_whole_nothing_was_used() -> None:
    world = World({"/batches/b1": status("failed", errors={"data": [{"code": "bad", "message": "no"}]})})

    assert world.look() is None
    assert world.books.settled[0][1].metrics.total_tokens == 0


def test_where_a_plugin_can_not_settle_the_batch_stays() -> None:
    world = World({"/batches/b1": status("completed", usage=USED)})
    world.books.fails = True

    assert world.look() is not None
    assert world.watched.ended_with == []


def test_with_credentials_of_clients_no_provider_is_asked_without_one() -> None:
    world = World({}, credentials="client", apiKey=None)

    assert world.look() is not None
    assert world.vendor.asked == []


def test_results_are_read_where_the_batch_reports_no_usage() -> None:
    body = {"object": "chat.completion", "model": "gpt-x", "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    line = json.dumps({"custom_id": "a", "response": {"status_code": 200, "body": body}}).encode() + b"\n"
    world = World({"/batches/b1": status("expired", output_file_id="out"), "/files/out/content": Reply(200, line * 3)})

    assert world.look() is None
    assert world.books.settled[0][1].metrics.input_tokens == 15


def test_where_long_inputs_have_a_price_each_line_is_counted_at_its_own() -> None:
    """The sum that the vendor reports does not have which lines were long."""
    lines = b"".join(
        json.dumps({"custom_id": "a", "response": {"status_code": 200, "body": {
            "object": "chat.completion", "model": "gpt-x", "usage": {"prompt_tokens": size, "completion_tokens": 1},
        }}}).encode() + b"\n"
        for size in (10, 100, 20)
    )  # fmt: skip
    ended = status("completed", usage=USED, request_counts={"completed": 3}, output_file_id="out")
    world = World({"/batches/b1": ended, "/files/out/content": Reply(200, lines)})
    world.prices = Prices(tiers={"batch": (Band(0, Rates(input=1)), Band(50, Rates(input=2)))})

    assert world.look() is None
    used = [attempt.usage for attempt in world.books.settled[0][1].attempts if attempt.usage is not None]
    assert [(usage.input_tokens, usage.requests) for usage in used] == [(30, 2), (100, 1)]


def test_a_batch_that_can_not_be_settled_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[str]:
        settler = await World({}).settler()
        for name in ("b1", "b2", "b3"):
            fields: dict[str, Any] = {"shares": [share()], "held": {}}
            await settler.pending.add(PendingBatch(name, "k", "ann", "chat", "openai", name, "req_1", **fields))
        seen: list[str] = []
        ended = asyncio.Event()

        async def look_at(batch: PendingBatch, interval: float, token: str | None = None) -> bool:
            seen.append(batch.id)
            if len(seen) == 3:
                ended.set()
            raise KeyError("poison")

        monkeypatch.setattr(settler, "look_at", look_at)
        running = asyncio.create_task(settler.run(0.01))
        async with asyncio.timeout(5):
            await ended.wait()
        running.cancel()
        return seen[:3]

    assert sorted(asyncio.run(main())) == ["b1", "b2", "b3"]


def test_a_deletion_waits_for_who_counts_what_the_batch_has_used() -> None:
    """A poll, of this process or another, reads the results while the client deletes them."""
    world = World({"/batches/b1": status("completed", usage=USED, request_counts={"completed": 2})})

    async def run() -> None:
        settler = await world.settler()
        pending = settler.pending
        batch = PendingBatch(
            "b1", "k", "ann", "chat", "openai", "b1", "req_1", shares=[share()], held={"books": "held"}
        )
        await pending.add(batch)
        assert await pending.claim(batch, time.time() + 900)
        deletion = asyncio.create_task(settler.before_deletion("k", "ann", "b1"))
        await asyncio.sleep(0.02)
        assert not deletion.done(), "it is claimed"
        await pending.release(batch, time.time() + 900)
        await deletion
        assert await pending.find("k", "ann", "b1") is None

    asyncio.run(run())
    assert len(world.books.settled) == 1


def test_a_deletion_is_put_off_where_counting_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway.exchange.batches.settling._PATIENCE_SECONDS", 0.0)
    world = World({})

    async def run() -> None:
        settler = await world.settler()
        batch = PendingBatch("b1", "k", "ann", "chat", "openai", "b1", "req_1")
        await settler.pending.add(batch)
        assert await settler.pending.claim(batch, time.time() + 900)
        with pytest.raises(GatewayError, match="still being counted") as refused:
            await settler.before_deletion("k", "ann", "b1")
        assert (refused.value.status, refused.value.retry_after) == (503, 10.0)

    asyncio.run(run())
    assert world.vendor.asked == [], "what is claimed is read by one alone"
