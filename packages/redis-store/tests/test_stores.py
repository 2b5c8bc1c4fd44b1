"""The store on Redis keeps the laws of stores, on one server and on a cluster."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_redis_store import ClusterRedisStore, RedisStore, SecureRedisStore, SentinelRedisStore
from llm_gateway_redis_store.testing import ClusterServers, SentinelServers, Server, ToxicProxy, server_program

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk.store import (
    Amount,
    Conflict,
    CounterState,
    Document,
    Entry,
    Granted,
    Lease,
    Rate,
    Refused,
    Store,
    StoreUnavailable,
    new_lease_id,
)
from llm_gateway_sdk.testing.store_laws import Recipe, StoreLaws

needs_server = pytest.mark.skipif(server_program() is None, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    cluster = ClusterServers(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelServers]:
    sentinels = SentinelServers(tmp_path_factory.mktemp("sentinels"))
    try:
        sentinels.start()
        yield sentinels
    finally:
        sentinels.kill()


def make(server: Server, **config: Any) -> RedisStore:
    store = RedisStore()
    store.configure(server.url, {"deadline": 30_000, **config})
    return store


@needs_server
class TestRedisStoreLaws(StoreLaws):
    server: Server

    @pytest.fixture(autouse=True)
    def fresh(self, server: Server) -> Any:
        self.server = server
        server.flush()

    def make(self) -> Store:
        return make(self.server)

    def recipe(self) -> Recipe | None:
        return "llm_gateway_redis_store:RedisStore", self.server.url, {"deadline": 30_000}

    def impatient_recipe(self) -> Recipe | None:
        return "llm_gateway_redis_store:RedisStore", self.server.url, {"deadline": 200}

    def pause(self, seconds: float) -> bool:
        self.server.pause(seconds)
        return True

    def restart(self) -> bool:
        self.server.kill()
        self.server.start()
        return True


@needs_server
class TestClusterRedisStoreLaws(StoreLaws):
    cluster: ClusterServers

    @pytest.fixture(autouse=True)
    def fresh(self, cluster: ClusterServers) -> Any:
        self.cluster = cluster
        cluster.flush()

    def make(self) -> Store:
        store = ClusterRedisStore()
        store.configure(self.cluster.url, {"deadline": 30_000})
        return store

    def recipe(self) -> Recipe | None:
        return "llm_gateway_redis_store:ClusterRedisStore", self.cluster.url, {"deadline": 30_000}

    def impatient_recipe(self) -> Recipe | None:
        return "llm_gateway_redis_store:ClusterRedisStore", self.cluster.url, {"deadline": 200}

    def pause(self, seconds: float) -> bool:
        for server in self.cluster.servers:
            if server.holds("{llmgw:d:}:x"):
                server.pause(seconds)
                return True
        raise RuntimeError("no server has the counters")

    def restart(self) -> bool:
        self.cluster.restart()
        return True


@needs_server
def test_counters_stay_whole_while_their_slot_moves_to_another_server(cluster: ClusterServers) -> None:
    """While keys are on their way calls fail as of a store that is away; none counts anew from 0 on the other server,
    whose copy would then stop the move."""
    cluster.flush()
    amounts = [Amount("all", 2), Amount("own", 2)]
    entries = [Entry("all", 3, 100_000), Entry("own", 3, 100_000)]

    async def main() -> tuple[int, int]:
        store = ClusterRedisStore()
        store.configure(cluster.url, {"deadline": 1000})
        moving = asyncio.create_task(asyncio.to_thread(cluster.move, "{llmgw:d:}:x", pause=0.02))
        settled, unknown = 0, []
        after = 5
        while after:
            lease = Lease(new_lease_id(), 60, "note")
            try:
                assert isinstance(await store.reserve(entries, lease), Granted)
            except StoreUnavailable:
                unknown.append((lease.id, list[Amount]()))
                await asyncio.sleep(0.01)
                continue
            settled += 2
            try:
                await store.settle(lease.id, amounts)
            except StoreUnavailable:
                unknown.append((lease.id, amounts))
            after -= moving.done()
        for lease_id, used in unknown:
            await store.settle(lease_id, used)
        for state in await store.read(entries):
            assert (state.settled, state.open) == (settled, 0)
        ledger = sum(event.event["charges"].get("all", 0) for event in await store.read_since("ledger", limit=10_000))
        assert ledger == settled
        await store.aclose()
        return await moving, len(unknown)

    asyncio.run(fill_before_moving(cluster))
    moved, failed = asyncio.run(main())
    assert moved > 10
    assert failed


async def fill_before_moving(cluster: ClusterServers) -> None:
    """Counters and leases, so that the move takes a while."""
    store = ClusterRedisStore()
    store.configure(cluster.url, {"deadline": 5000})
    for number in range(12):
        await store.reserve([Entry("all", 0), Entry(f"other-{number}", 1)], Lease(new_lease_id(), 60))
    await store.aclose()


@needs_server
class TestSentinelRedisStoreLaws(StoreLaws):
    """A restart is a fail-over: the other server goes on with what had reached it."""

    keeps_every_answer = False
    sentinels: SentinelServers

    @pytest.fixture(autouse=True)
    def fresh(self, sentinels: SentinelServers) -> Any:
        self.sentinels = sentinels
        sentinels.flush()

    def make(self) -> Store:
        store = SentinelRedisStore()
        store.configure(self.sentinels.url, {"deadline": 30_000})
        return store

    def recipe(self) -> Recipe | None:
        return "llm_gateway_redis_store:SentinelRedisStore", self.sentinels.url, {"deadline": 30_000}

    def restart(self) -> bool:
        self.sentinels.fail_over()
        return True


@needs_server
def test_it_counts_as_the_other_stores_do(server: Server) -> None:
    """The same random steps give the same states. Rates are slow here, so that no tick falls between two steps."""
    source = random.Random(11)
    rates = [Rate.per(50, 86_400), Rate.per(1000, 864_000, burst=300)]

    def entry(key: str, amount: int) -> Entry:
        if key.startswith("r"):
            return Entry(key, amount, rate=rates[int(key[1:]) % 2], enforce=key != "r2")
        return Entry(key, amount, 200, enforce=key != "s2", on_expiry=source.choice(["charge", "release"]))  # type: ignore[arg-type]

    def shown(state: CounterState) -> tuple[object, ...]:
        return state.key, state.open, state.limit, state.exceeded, state.refused, state.retry_after is None

    async def both() -> None:
        keys = ["r0", "r1", "r2", "s0", "s1", "s2"]
        leases: list[Lease] = []
        for _ in range(400):
            what = source.random()
            if what < 0.5 or not leases:
                lease = Lease(new_lease_id(), 600)
                entries = [entry(key, source.randrange(0, 90)) for key in source.sample(keys, source.randrange(1, 5))]
                answers = [await store.reserve(entries, lease) for store in stores]
                assert [type(answer) for answer in answers] in ([Granted] * 2, [Refused] * 2)
                leases.append(lease)
            elif what < 0.9:
                lease = source.choice(leases)
                used = [Amount(key, source.randrange(0, 120)) for key in source.sample(keys, source.randrange(0, 5))]
                for store in stores:
                    await store.settle(lease.id, used)
            here, there = [await store.read([entry(key, 10) for key in keys]) for store in stores]
            for ours, theirs in zip(here, there, strict=True):
                # A tick of a rate may fall between the two readings.
                ticks = 1 if ours.key.startswith("r") else 0
                assert abs(ours.settled - theirs.settled) <= ticks
                if ours.settled == theirs.settled:
                    assert shown(ours) == shown(theirs)

    async def closing() -> None:
        stores.extend([MemoryStore(), make(server)])
        try:
            await both()
        finally:
            await stores[1].aclose()

    server.flush()
    stores: list[Store] = []
    asyncio.run(closing())


@needs_server
def test_a_server_that_lost_its_scripts_gets_them_again(server: Server) -> None:
    async def use() -> None:
        store = make(server)
        await store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30))
        with server.client() as client:
            client.script_flush()
        assert isinstance(await store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30)), Granted)
        await store.aclose()

    asyncio.run(use())


@needs_server
def test_a_command_whose_answer_is_lost_is_done_once(server: Server) -> None:
    """The client sends it again on another connection."""
    proxy = ToxicProxy(server.port)

    async def use(store: RedisStore) -> None:
        async def losing(work: Awaitable[Any]) -> Any:
            proxy.lost = 1
            answer = await work
            assert proxy.lost == 0
            return answer

        await store.read([Entry("a", 0)])
        held = Lease(new_lease_id(), 30)
        assert isinstance(await losing(store.reserve([Entry("a", 60, 100)], held)), Granted)
        await losing(store.settle(held.id, [Amount("a", 50)]))
        (state,) = await store.read([Entry("a", 0)])
        assert (state.settled, state.open) == (50, 0)
        version = await losing(store.put("document", b"first", expected=0))
        second = await losing(store.put("document", b"second", expected=version))
        assert await store.get("document") == Document("document", b"second", second)
        with pytest.raises(Conflict):
            await store.put("document", b"third", expected=version)
        assert await losing(store.delete("document", expected=second)) is True
        await losing(store.append("audit", [{"n": 1}, {"n": 2}]))
        assert [each.event["n"] for each in await store.read_since("audit")] == [1, 2]

    async def closing() -> None:
        store = RedisStore()
        store.configure(f"redis://127.0.0.1:{proxy.port}/0", {"deadline": 30_000})
        try:
            await use(store)
        finally:
            await store.aclose()

    server.flush()
    try:
        asyncio.run(closing())
    finally:
        proxy.close()


@needs_server
def test_a_server_that_takes_longer_to_connect_than_a_call_may_wait_is_used(server: Server) -> None:
    """A connection takes several round trips, a call one. The calls that begin before there is one are given up."""
    proxy = ToxicProxy(server.port)
    proxy.delay = 0.1

    async def use(store: RedisStore) -> None:
        until, connected = time.monotonic() + 60, False
        while not connected and time.monotonic() < until:
            try:
                connected = bool(await store.read([Entry("a", 0)]))
            except StoreUnavailable:
                await asyncio.sleep(0.1)
        assert connected

    async def closing() -> None:
        store = RedisStore()
        store.configure(f"redis://127.0.0.1:{proxy.port}/0", {"deadline": 350})
        try:
            await use(store)
        finally:
            await store.aclose()

    try:
        asyncio.run(closing())
    finally:
        proxy.close()


@needs_server
def test_what_may_lose_counts_is_reported(tmp_path: Path) -> None:
    server = Server(tmp_path, ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"))
    server.start()

    async def use() -> None:
        store = make(server)
        (note,) = await store.check()
        assert "allkeys-lru" in note
        assert "noeviction" in note
        await store.aclose()

    try:
        asyncio.run(use())
    finally:
        server.kill()


@needs_server
def test_a_server_that_is_gone_is_unavailable_at_once_after_a_few_tries_and_used_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path)
    server.start()

    async def use() -> None:
        store = make(server, deadline=200)
        await store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30))
        server.kill()
        for _ in range(6):
            with pytest.raises(StoreUnavailable):
                await store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30))
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="several times"):
            await store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30))
        assert time.monotonic() - began < 0.05
        server.start()
        await asyncio.sleep(1.1)
        assert isinstance(await store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30)), Granted)
        await store.aclose()

    try:
        asyncio.run(use())
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("call", "milliseconds"),
    [
        (lambda store: store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30)), 50),
        (lambda store: store.get("a"), 50),
        (lambda store: store.scan("a"), 500),
        (lambda store: store.keep({"a": b"1"}, 30), 500),
        (lambda store: store.keep({"a": bytes(2_000_000), "b": bytes(3_000_000)}, 30), 1000),
        (lambda store: store.recall(["a"]), 500),
        (lambda store: store.forget(["a"]), 500),
    ],
)
def test_a_slow_server_is_given_up_within_the_deadline(
    call: Callable[[RedisStore], Awaitable[object]], milliseconds: int
) -> None:
    """Whatever a request may wait for."""

    async def use() -> None:
        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        silent = await asyncio.start_server(never, "127.0.0.1", 0)
        store = RedisStore()
        store.configure(f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}", {})
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=f"within {milliseconds} ms"):
            await call(store)
        assert time.monotonic() - began < 3
        await store.aclose()
        silent.close()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("cls", "url", "message"),
    [
        (RedisStore, "redis://", "address of a server"),
        (RedisStore, "redis://:s3cret@host:99999", "host and a port"),
        (RedisStore, "redis://:s3cret@host:6379/zero", "number of a database"),
        (RedisStore, "redis://:s3cret@host:6379/0?timeout=3", "found timeout"),
        (RedisStore, "redis://:s3cret@one,two", r"redis\+cluster"),
        (SentinelRedisStore, "redis+sentinel://:s3cret@one,two:26380", "name of the master"),
        (ClusterRedisStore, "redis+cluster://:s3cret@one,two:6380/3", "no numbered databases"),
    ],
)
def test_addresses_that_mean_nothing_are_refused_without_the_password(cls: Any, url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        cls().configure(url, {})
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("cls", "url"),
    [
        (RedisStore, "redis://user:p%40ss@host"),
        (RedisStore, "redis://[::1]:6379/2"),
        (SecureRedisStore, "rediss://host:6380/1"),
        (SentinelRedisStore, "redis+sentinel://:pass@one,two:26380/mymaster/3"),
        (ClusterRedisStore, "redis+cluster://user:pass@one:6379,two:6380"),
    ],
)
def test_addresses_make_clients_without_connecting(cls: Any, url: str) -> None:
    async def use() -> None:
        store = cls()
        store.configure(url, {})
        assert store._redis is not None
        await store.aclose()

    asyncio.run(use())
