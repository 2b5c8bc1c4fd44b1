"""Keys that are revoked while two gateways are under load: over one Redis, which pushes, refused everywhere within a
second, over one SQLite file, which is polled, within five.

`REVOCATIONS=1000` is the long form. The time is taken from the moment when the store has taken the revocation to the
moment when the last request was begun that was still let in.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from llm_gateway_redis_store import RedisStore
from llm_gateway_redis_store.testing import Server, server_program
from llm_gateway_virtual_keys import Keyring
from served_gateway import ServedGateway

from llm_gateway.stores.sqlite import SQLiteStore
from llm_gateway_sdk import Store

NUMBER = int(os.environ.get("REVOCATIONS", "25"))
CLIENTS = 8
BOUNDS = {"redis": 1.0, "sqlite": 5.0}


async def under_load(urls: list[str], keys: Keyring, bound: float) -> tuple[list[float], int, set[int]]:
    """Seconds for which each key was let in after its revocation; the requests that were made; their statuses."""
    minted = [await keys.create(f"holder {number}", team="red") for number in range(NUMBER)]
    revoked: dict[str, float] = {}
    let_in: dict[str, float] = {}
    statuses: set[int] = set()
    requests = 0
    done = asyncio.Event()

    async def client(number: int, http: httpx.AsyncClient) -> None:
        nonlocal requests
        chooser = random.Random(number)
        while not done.is_set():
            # Mostly one that is about to be revoked, or just was.
            at = min(NUMBER - 1, max(0, len(revoked) + chooser.randint(-4, 4)))
            key, url = minted[at].key, urls[chooser.randrange(len(urls))]
            began = time.monotonic()
            reply = await http.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"})
            requests += 1
            statuses.add(reply.status_code)
            if reply.status_code == 200 and key in revoked and began > revoked[key]:
                let_in[key] = max(let_in.get(key, 0.0), began - revoked[key])

    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30) as http:
        tasks = [asyncio.create_task(client(number, http)) for number in range(CLIENTS)]
        await asyncio.sleep(0.5)
        for each in minted:
            await keys.revoke(each.record.id)
            revoked[each.key] = time.monotonic()
            await asyncio.sleep(0.02)
        await asyncio.sleep(bound + 0.2)
        done.set()
        await asyncio.gather(*tasks)
        for each in minted:
            for url in urls:
                headers = {"authorization": f"Bearer {each.key}"}
                assert (await http.get(f"{url}/v1/models", headers=headers)).status_code in (401, 429)
    return [let_in.get(each.key, 0.0) for each in minted], requests, statuses


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[Store]:
    """A store that the gateways of a test share."""
    if kind == "sqlite":
        file = SQLiteStore()
        file.configure(f"sqlite:{folder / 'shared.db'}", {})
        yield file
        return
    if server_program() is None:
        pytest.skip("redis-server is not installed")
    server = Server(folder / "redis")
    server.start()
    try:
        store = RedisStore()
        store.configure(server.url, {"deadline": 5000})
        store.url = server.url  # type: ignore[attr-defined]
        yield store
    finally:
        server.kill()


@pytest.mark.timeout(300 + NUMBER)
@pytest.mark.parametrize("kind", BOUNDS)
def test_a_revoked_key_is_refused_by_all_gateways_in_time_under_load(tmp_path: Path, kind: str) -> None:
    bound = BOUNDS[kind]
    with store_of(kind, tmp_path) as store:
        shared: dict[str, Any] = {"url": f"sqlite:{tmp_path / 'shared.db'}"}
        if kind == "redis":
            shared = {"url": store.url, "config": {"deadline": "2s"}}  # type: ignore[attr-defined]
        configuration = {
            "store": shared,
            "models": [{"name": "m", "isDefault": True, "provider": {"type": "echo"}}],
            "plugins": [{"name": "keys", "type": "virtual-keys"}],
        }
        gateways = [ServedGateway(configuration, tmp_path / name) for name in ("one", "two")]
        try:

            async def main() -> tuple[list[float], int, set[int]]:
                try:
                    return await under_load([each.url for each in gateways], Keyring(store), bound)
                finally:
                    await store.aclose()

            waits, requests, statuses = asyncio.run(main())
        finally:
            for each in gateways:
                each.stop()

    late = sorted(waits)
    half, last = (round(seconds * 1000) for seconds in (late[NUMBER // 2], late[-1]))
    print(f"{kind}: {NUMBER} revocations, {requests} requests: p50 {half} ms, p100 {last} ms")
    assert statuses <= {200, 401, 429}
    assert 200 in statuses
    assert requests > NUMBER
    assert late[-1] <= bound
