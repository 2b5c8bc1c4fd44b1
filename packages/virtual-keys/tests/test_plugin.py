from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from llm_gateway_virtual_keys import Keyring, Minted, VirtualKeys
from llm_gateway_virtual_keys.keyring import PREFIX

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import GatewayServices, Headers, HTTPRequest, Principal, RequestContext, Store

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Services(GatewayServices):
    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def store(self) -> Store:
        return self._store


async def plugin_on(store: Store, **config: Any) -> VirtualKeys:
    plugin = VirtualKeys()
    plugin.gateway = Services(store)
    await plugin.configure(config)
    return plugin


async def ask(plugin: VirtualKeys, key: str, address: str | None = None) -> tuple[int, RequestContext]:
    headers = Headers([("authorization", f"Bearer {key}")])
    ctx = RequestContext(
        request_id="r", project="default", adapter="openai", operation="generate",
        http_request=HTTPRequest("POST", "/v1", "", headers, b""), client_ip=address,
    )  # fmt: skip
    answer = plugin.before_model(ctx)
    result = await answer if isinstance(answer, Awaitable) else answer
    if result is None:
        return (200 if ctx.principal is not None else 0), ctx
    return getattr(result.error, "status", 0), ctx


async def test_a_key_makes_its_holder_the_principal(store: Any) -> None:
    minted = await Keyring(store).create("reports", team="data", models=("claude-*",), labels={"env": "prod"})
    plugin = await plugin_on(store)

    status, ctx = await ask(plugin, minted.key)

    assert status == 200
    assert ctx.principal is not None
    assert (ctx.principal.id, ctx.principal.team, ctx.principal.source) == (minted.record.id, "data", "virtual-keys")
    assert (ctx.principal.models, ctx.principal.labels, ctx.caller) == (("claude-*",), {"env": "prod"}, "reports")
    await plugin.close()


async def test_wrong_keys_are_refused_and_mistyped_ones_cost_no_look_up(store: Any) -> None:
    minted = await Keyring(store).create("n")
    other = await Keyring(MemoryStore()).create("n")
    plugin = await plugin_on(store)

    assert (await ask(plugin, minted.key[:-1] + ("a" if minted.key[-1] != "a" else "b")))[0] == 401
    assert store.reads == 0
    assert (await ask(plugin, other.key))[0] == 401
    assert (await ask(plugin, "sk-of-another-form"))[0] == 0
    await plugin.close()


async def test_wrong_keys_of_one_address_are_limited_and_right_ones_are_let_in(store: Any) -> None:
    minted = await Keyring(store).create("n")
    other = await Keyring(MemoryStore()).create("n")
    plugin = await plugin_on(store)

    statuses = [(await ask(plugin, other.key, "192.0.2.1"))[0] for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    assert (await ask(plugin, minted.key, "192.0.2.1"))[0] == 200
    assert (await ask(plugin, other.key, "192.0.2.2"))[0] == 401
    await plugin.close()


async def test_expired_keys_are_refused(store: Any) -> None:
    minted = await Keyring(store).create("n", expires=time.time() + 1)
    plugin = await plugin_on(store)

    assert (await ask(plugin, minted.key))[0] == 200
    for _ in range(200):
        if (await ask(plugin, minted.key))[0] == 401:
            break
        await asyncio.sleep(0.05)
    assert (await ask(plugin, minted.key))[0] == 401
    await plugin.close()


async def test_a_key_that_is_known_costs_no_further_look_up(store: Any) -> None:
    minted = await Keyring(store).create("n")
    plugin = await plugin_on(store)
    await ask(plugin, minted.key)
    await asyncio.sleep(0.05)
    await ask(plugin, minted.key)
    before = store.reads
    for _ in range(100):
        assert (await ask(plugin, minted.key))[0] == 200

    assert store.reads == before
    await plugin.close()


async def test_a_revoked_key_is_refused_within_a_second(store: Any) -> None:
    keys = Keyring(store)
    plugin = await plugin_on(store)
    worst = 0.0
    for number in range(100):
        minted = await keys.create(f"n{number}")
        assert (await ask(plugin, minted.key))[0] == 200
        assert (await ask(plugin, minted.key))[0] == 200
        await keys.revoke(minted.record.id)
        began = time.monotonic()
        while (await ask(plugin, minted.key))[0] == 200:
            assert time.monotonic() - began < 1.0
            await asyncio.sleep(0.001)
        worst = max(worst, time.monotonic() - began)

    assert worst < 1.0
    await plugin.close()


async def test_principals_are_known_for_as_long_as_their_keys_are_valid(store: Any) -> None:
    keys = Keyring(store)
    made = {name: (await keys.create(name)).record for name in ("active", "rotated", "revoked", "expired", "deleted")}
    await keys.rotate(made["rotated"].id, grace=0)
    await keys.revoke(made["revoked"].id)
    await keys.update(made["expired"].id, {"expires": time.time() - 1})
    await store.delete(PREFIX + made["deleted"].id)
    plugin = await plugin_on(store)

    known = {name for name, record in made.items() if await plugin.still_knows(record.principal())}

    assert known == {"active", "rotated"}
    assert await plugin.still_knows(Principal(id=made["revoked"].id, name="n", source="another"))
    await plugin.close()


async def test_a_rotated_key_is_valid_for_its_grace(store: Any) -> None:
    keys = Keyring(store)
    first = await keys.create("n")
    plugin = await plugin_on(store)
    assert (await ask(plugin, first.key))[0] == 200
    second = await keys.rotate(first.record.id, grace=0.4)
    await asyncio.sleep(0.1)

    assert (await ask(plugin, first.key))[0] == 200
    assert (await ask(plugin, second.key))[0] == 200
    await asyncio.sleep(0.4)
    assert (await ask(plugin, first.key))[0] == 401
    assert (await ask(plugin, second.key))[0] == 200
    await plugin.close()


async def test_while_the_store_is_away_known_keys_go_on_and_others_are_503(store: Any) -> None:
    keys = Keyring(store)
    known, unknown = await keys.create("known"), await keys.create("unknown")
    plugin = await plugin_on(store, staleFor=0.5)
    await ask(plugin, known.key)
    plugin._cache._watching = False  # the store's changes have ended
    store.away = True

    assert (await ask(plugin, known.key))[0] == 200
    assert (await ask(plugin, unknown.key))[0] == 503
    await asyncio.sleep(0.6)
    plugin._cache._watching = False
    assert (await ask(plugin, known.key))[0] == 503
    store.away = False
    assert (await ask(plugin, unknown.key))[0] == 200
    await plugin.close()


async def test_the_cache_is_bounded(store: Any) -> None:
    keys = Keyring(store)
    plugin = await plugin_on(store, cacheSize=5)
    for number in range(20):
        await ask(plugin, (await keys.create(f"n{number}")).key)

    assert len(plugin._cache._copies) == 5
    await plugin.close()


async def test_imported_keys_are_looked_for_where_that_is_asked_for(store: Any) -> None:
    imported: Minted = await Keyring(store).take_in("sk-of-another-system-1234", "legacy")
    plugin, strict = await plugin_on(store, imported=True), await plugin_on(store)

    assert (await ask(plugin, imported.key))[0] == 200
    assert (await ask(plugin, "sk-of-nobody-known-at-all"))[0] == 0
    assert (await ask(strict, imported.key))[0] == 0
    await plugin.close()
    await strict.close()


async def test_a_pepper_must_be_the_same(store: Any) -> None:
    pepper = "a pepper of some length"
    minted = await Keyring(store, pepper.encode()).create("n")
    right, wrong = await plugin_on(store, pepper=pepper), await plugin_on(store, pepper="another pepper, as long")

    assert (await ask(right, minted.key))[0] == 200
    assert (await ask(wrong, minted.key))[0] == 401
    await right.close()
    await wrong.close()
