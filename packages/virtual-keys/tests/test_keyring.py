from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_virtual_keys import Keyring, parse_key
from llm_gateway_virtual_keys.keyring import UnknownKey

from llm_gateway_sdk import Conflict

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_the_store_never_holds_the_secret(store: Any) -> None:
    keys = Keyring(store)
    minted = await keys.create("reports", by="ann", team="data", models=("claude-*",))
    await keys.rotate(minted.record.id, grace=60)

    held = b"".join(document.value for document in await store.scan(""))
    logged = str(await store.read_since("audit"))
    secret = minted.key.rpartition("_")[2]
    assert secret.encode() not in held
    assert secret not in logged
    assert "digest" not in logged


async def test_a_rotated_key_keeps_its_id_and_holder(store: Any) -> None:
    now = 1000.0
    keys = Keyring(store, clock=lambda: now)
    first = await keys.create("reports", team="data")
    second = await keys.rotate(first.record.id, grace=60)

    assert parse_key(second.key) == first.record.id
    assert second.record.team == "data"
    assert second.record.matches(first.key, b"", 1059)
    assert not second.record.matches(first.key, b"", 1060)
    third = await keys.rotate(first.record.id)
    assert not third.record.matches(second.key, b"", 1000)


async def test_a_revoked_key_stays_revoked(store: Any) -> None:
    keys = Keyring(store)
    minted = await keys.create("n")
    await keys.rotate(minted.record.id, grace=3600)
    record = await keys.revoke(minted.record.id)

    assert not record.usable(0)
    assert not record.matches(minted.key, b"", 0)
    with pytest.raises(ValueError, match="revoked"):
        await keys.rotate(minted.record.id)


async def test_changes_are_refused_where_somebody_was_faster(store: Any) -> None:
    keys = Keyring(store)
    minted = await keys.create("n")
    _, version = await keys.get(minted.record.id)
    await keys.update(minted.record.id, {"team": "a"}, expected=version)

    with pytest.raises(Conflict):
        await keys.update(minted.record.id, {"team": "b"}, expected=version)
    assert (await keys.get(minted.record.id))[0].team == "a"
    with pytest.raises(UnknownKey):
        await keys.revoke("nobody")


async def test_every_change_is_in_the_audit_log(store: Any) -> None:
    keys = Keyring(store)
    minted = await keys.create("n", by="ann", source="10.0.0.1")
    await keys.update(minted.record.id, {"team": "a"}, by="bob")
    await keys.revoke(minted.record.id, by="eve")

    events = [each.event for each in await store.read_since("audit")]
    assert [(each["action"], each["by"]) for each in events] == [
        ("key.create", "ann"), ("key.update", "bob"), ("key.revoke", "eve"),
    ]  # fmt: skip
    assert events[0]["from"] == "10.0.0.1"
    assert (events[1]["before"]["team"], events[1]["after"]["team"]) == (None, "a")


async def test_pages_of_keys_have_every_key_once(store: Any) -> None:
    keys = Keyring(store)
    made = {(await keys.create(f"n{number}")).record.id for number in range(25)}
    found: list[str] = []
    while page := await keys.page(after=found[-1] if found else "", limit=10):
        found += [record.id for record, _ in page]

    assert found == sorted(made)
    assert {record.id for record in await keys.all()} == made


async def test_an_imported_key_is_taken_in_once(store: Any) -> None:
    keys = Keyring(store)
    minted = await keys.take_in("sk-of-another-system-1234", "legacy")

    assert minted.record.matches("sk-of-another-system-1234", b"", 0)
    with pytest.raises(ValueError, match="known already"):
        await keys.take_in("sk-of-another-system-1234", "again")
    with pytest.raises(ValueError, match="16"):
        await keys.take_in("short", "n")


async def test_keys_are_found_by_what_they_have(store: Any) -> None:
    keys = Keyring(store)
    made = [await keys.create(f"Service {number:03}", team="data" if number % 2 else None) for number in range(12)]
    await keys.create("other", labels={"cost-centre": "Straße 7"})
    await keys.revoke(made[0].record.id)

    assert [key.name for key in await keys.search("STRASSE")] == ["other"]
    assert {key.name for key in await keys.search("data")} == {f"Service {number:03}" for number in range(1, 12, 2)}
    assert [key.id for key in await keys.search("revoked")] == [made[0].record.id]
    assert [key.id for key in await keys.search(made[3].record.id)] == [made[3].record.id]
    assert await keys.search("nothing like it") == []


async def test_a_search_goes_on_after_its_last_key(store: Any) -> None:
    keys = Keyring(store)
    for number in range(25):
        await keys.create(f"{'match' if number % 3 == 0 else 'miss'} {number}")

    first = await keys.search("match", limit=5)
    second = await keys.search("match", after=first[-1].id, limit=5)

    assert len({key.id for key in first + second}) == 9
    assert all(key.name.startswith("match") for key in first + second)
