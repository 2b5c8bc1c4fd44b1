"""Keys that are revoked while two gateways are under load, over one Redis: refused everywhere within a second.

`REVOCATIONS=1000` is the long form. The time is taken from the moment when the store has taken the revocation to the
moment when the last request was begun that was still let in.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import httpx
import pytest
from llm_gateway_redis_store import RedisStore
from llm_gateway_redis_store.testing import Server, server_program
from llm_gateway_virtual_keys import Keyring
from served_gateway import ServedGateway

NUMBER = int(os.environ.get("REVOCATIONS", "25"))
CLIENTS = 8
BOUND = 1.0

pytestmark = pytest.mark.skipif(server_program() is None, reason="redis-server is not installed")


async def under_load(urls: list[str], keys: Keyring) -> tuple[list[float], int, set[int]]:
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
        await asyncio.sleep(BOUND + 0.2)
        done.set()
        await asyncio.gather(*tasks)
        for each in minted:
            for url in urls:
                headers = {"authorization": f"Bearer {each.key}"}
                assert (await http.get(f"{url}/v1/models", headers=headers)).status_code in (401, 429)
    return [let_in.get(each.key, 0.0) for each in minted], requests, statuses


@pytest.mark.timeout(300)
def test_a_revoked_key_is_refused_by_all_gateways_within_a_second_under_load(tmp_path: Path) -> None:
    server = Server(tmp_path / "redis")
    server.start()
    try:
        configuration = {
            "store": {"url": server.url, "config": {"deadline": "2s"}},
            "models": [{"name": "m", "isDefault": True, "provider": {"type": "echo"}}],
            "plugins": [{"name": "keys", "type": "virtual-keys"}],
        }
        gateways = [ServedGateway(configuration, tmp_path / name) for name in ("one", "two")]
        try:

            async def main() -> tuple[list[float], int, set[int]]:
                store = RedisStore()
                store.configure(server.url, {"deadline": 5000})
                try:
                    return await under_load([each.url for each in gateways], Keyring(store))
                finally:
                    await store.aclose()

            waits, requests, statuses = asyncio.run(main())
        finally:
            for each in gateways:
                each.stop()
    finally:
        server.kill()

    late = sorted(waits)
    half, last = (round(seconds * 1000) for seconds in (late[NUMBER // 2], late[-1]))
    print(f"{NUMBER} revocations, {requests} requests: p50 {half} ms, p100 {last} ms")
    assert statuses <= {200, 401, 429}
    assert 200 in statuses
    assert requests > NUMBER
    assert late[-1] <= BOUND
