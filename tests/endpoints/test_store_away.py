"""Every kind of route while the store is slow, gone and back: what each limit's `onStoreDown` is for, in time, and
never 401."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounting import CASES, NATIVE, Case, Provider, models_of, request_of
from llm_gateway_redis_store import RedisStore
from llm_gateway_redis_store.testing import Server, ToxicProxy, server_program
from llm_gateway_virtual_keys import Keyring
from loopback import Gateway, Reply, config, gateway, run, upstream

DEADLINE = 0.25
OWN = 1.5
"""Seconds that a request may take besides, on a machine that runs other tests too."""
PATIENCE = 20.0
"""Seconds until a healthy store has answered."""
WORDS = ("allow", "deny", "lease")
KINDS = [case for case in CASES if case.outcome == "stranger"]
"""A case of every route."""
RESTING = ("file", "batch", "stored")
"""Operations that themselves look into the store: whose a file is."""

pytestmark = pytest.mark.skipif(server_program() is None, reason="redis-server is not installed")


def settings(proxy: ToxicProxy, upstream_url: str) -> dict[str, Any]:
    def limits(word: str) -> dict[str, Any]:
        limit = {"name": word, "requests": 100_000, "window": "lifetime", "onStoreDown": word}
        cost = {**limit, "name": f"{word}-cost", "cost": "1000 USD"}
        del cost["requests"]
        paths = [{"path": f"*{NATIVE}", "cost": "0.001 USD"}]
        return {"name": "limits", "type": "limits", "config": {"limits": [limit, cost], "paths": paths}}

    return config(
        *models_of(upstream_url),
        store={"url": f"redis://127.0.0.1:{proxy.port}", "config": {"deadline": f"{DEADLINE * 1000:g}ms"}},
        plugins=[{"name": "keys", "type": "virtual-keys"}],
        projects=[{"name": word, "plugins": [limits(word)]} for word in WORDS],
        nativePaths=[f"/v1{NATIVE}"],
        breaker={"enabled": False},
    )


async def ask(served: Gateway, word: str, case: Case, key: str) -> tuple[Reply, float]:
    body, headers = request_of(case)
    path = f"/{word}{case.path}".replace("{id}", "none_1")
    method = "POST" if case.route.method == "*" else case.route.method
    loop = asyncio.get_running_loop()
    began = loop.time()
    reply = await served.ask(body, path=path, method=method, headers={**headers, "authorization": f"Bearer {key}"})
    return reply, loop.time() - began


async def ask_all(served: Gateway, key: str, *, healthy: bool = False) -> dict[tuple[str, str], tuple[Reply, float]]:
    """By word and case. A few at a time: what is measured is the gateway's patience, not its queue."""
    found: dict[tuple[str, str], tuple[Reply, float]] = {}
    places = asyncio.Semaphore(8)

    async def one(word: str, case: Case) -> None:
        async with places:
            found[word, str(case)] = await ask(served, word, case, key)

    asked = [(word, case) for word in WORDS for case in KINDS]
    await asyncio.gather(*(one(word, case) for word, case in asked))
    if healthy:
        # On a machine that runs other tests too, even a healthy store misses so short a deadline now and then; after
        # some misses in a row it is left alone for a second.
        async with asyncio.timeout(PATIENCE):
            while missed := [each for each in asked if found[each[0], str(each[1])][0].status == 503]:
                await asyncio.sleep(0.2)
                await asyncio.gather(*(one(word, case) for word, case in missed))
    return found


Outcomes = dict[str, dict[tuple[str, str], tuple[Reply, float]]]


async def everything(server: Server) -> tuple[Outcomes, dict[str, int]]:
    """What was answered at each time, and to a key that no worker has seen."""
    proxy = ToxicProxy(server.port)
    direct = RedisStore()
    direct.configure(server.url, {"deadline": 5000})
    minted = [(await Keyring(direct).create(name)).key for name in ("ann", "bob", "cyd")]
    await direct.aclose()
    found: Outcomes = {}
    unseen: dict[str, int] = {}
    try:
        async with upstream(Provider()) as up, gateway(settings(proxy, up.url)) as served:
            found["before"] = await ask_all(served, minted[0], healthy=True)
            proxy.delay = 1.0
            found["slow"] = await ask_all(served, minted[0])
            unseen["slow"] = (await ask(served, "allow", KINDS[0], minted[1]))[0].status
            proxy.delay = 0.0
            proxy.vanish()
            found["gone"] = await ask_all(served, minted[0])
            unseen["gone"] = (await ask(served, "allow", KINDS[0], minted[2]))[0].status
            proxy.gone = False
            async with asyncio.timeout(15):
                while (await ask(served, "deny", KINDS[0], minted[0]))[0].status != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            found["back"] = await ask_all(served, minted[0], healthy=True)
    finally:
        proxy.close()
    return found, unseen


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outcomes, dict[str, int]]]:
    server = Server(Path(tmp_path_factory.mktemp("redis")))
    server.start()
    try:
        yield run(everything(server), seconds=200)
    finally:
        server.kill()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("time", ["before", "slow", "gone", "back"])
def test_no_route_hangs_or_becomes_401(observed: tuple[Outcomes, dict[str, int]], time: str) -> None:
    wrong = {
        f"{word}: {case}": (reply.status, round(seconds, 2), reply.body[:200])
        for (word, case), (reply, seconds) in observed[0][time].items()
        if reply.status in (401, 403, 500, 502) or seconds > DEADLINE + OWN
    }
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


@pytest.mark.parametrize("time", ["slow", "gone"])
@pytest.mark.parametrize("word", WORDS)
def test_every_route_does_what_its_limits_are_set_to(
    observed: tuple[Outcomes, dict[str, int]], time: str, word: str
) -> None:
    wrong = {}
    for case in KINDS:
        before, _ = observed[0]["before"][word, str(case)]
        reply, _ = observed[0][time][word, str(case)]
        refused = reply.status == 503 and reply.header("retry-after") is not None
        as_ever = reply.status == before.status
        operation = case.route.operation
        if operation == "models":
            right = as_ever
        elif word == "deny":
            right = refused
        elif word == "allow" and operation not in RESTING:
            right = as_ever
        else:
            right = as_ever or refused
        if not right:
            wrong[str(case)] = (before.status, reply.status, reply.body[:200])
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


def test_when_the_store_is_back_all_is_as_before(observed: tuple[Outcomes, dict[str, int]]) -> None:
    found, _ = observed
    statuses = {time: {key: reply.status for key, (reply, _) in found[time].items()} for time in ("before", "back")}

    assert statuses["back"] == statuses["before"]


def test_a_key_that_can_not_be_looked_up_is_not_a_wrong_one(observed: tuple[Outcomes, dict[str, int]]) -> None:
    assert observed[1] == {"slow": 503, "gone": 503}
