from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from llm_gateway_jwt_auth.key_set import KeySet, KeysUnavailable

ISSUER = "https://login.example.com"


def jwk(kid: str) -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key)), "kid": kid}


FIRST, SECOND = jwk("1"), jwk("2")


class Issuer:
    """A remote issuer whose keys change and which can be away."""

    def __init__(self) -> None:
        self.keys = [FIRST]
        self.away = False
        self.asked: list[str] = []
        self.now = 1000.0
        self.name = ISSUER

    async def get(self, url: str) -> Any:
        self.asked.append(url)
        if self.away:
            raise OSError("away")
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.name, "jwks_uri": "https://keys.example.com/set"}
        return {"keys": self.keys}

    def keys_of(self, **more: Any) -> KeySet:
        return KeySet(self.get, ["RS256"], issuer=ISSUER, clock=lambda: self.now, **more)


def find(keys: KeySet, kid: str | None) -> list[str | None]:
    return [key.key_id for key in asyncio.run(keys.find(kid, "RS256"))]


def test_keys_are_found_by_discovery_once() -> None:
    issuer = Issuer()
    keys = issuer.keys_of()

    assert find(keys, "1") == ["1"]
    assert find(keys, None) == ["1"]
    assert issuer.asked == [f"{ISSUER}/.well-known/openid-configuration", "https://keys.example.com/set"]


def test_a_key_that_is_new_is_read_when_a_token_names_it() -> None:
    issuer = Issuer()
    keys = issuer.keys_of()
    find(keys, "1")
    issuer.keys = [FIRST, SECOND]
    issuer.now += 11

    assert find(keys, "2") == ["2"]


def test_invented_key_ids_do_not_make_the_gateway_ask_each_time() -> None:
    issuer = Issuer()
    keys = issuer.keys_of()
    for number in range(50):
        assert find(keys, f"invented-{number}") == []

    assert len(issuer.asked) == 2


def test_a_key_that_the_issuer_has_taken_back_is_dropped_after_the_refresh() -> None:
    issuer = Issuer()
    keys = issuer.keys_of(refresh_seconds=60)
    assert find(keys, "1") == ["1"]
    issuer.keys = [SECOND]
    issuer.now += 61

    assert find(keys, "1") == []


def test_known_keys_outlive_an_outage_for_the_stated_time() -> None:
    issuer = Issuer()
    keys = issuer.keys_of(refresh_seconds=60, outage_seconds=600)
    find(keys, "1")
    issuer.away = True
    issuer.now += 500
    assert find(keys, "1") == ["1"]
    issuer.now += 101

    with pytest.raises(KeysUnavailable):
        find(keys, "1")
    issuer.away = False
    issuer.now += 11
    assert find(keys, "1") == ["1"]


def test_a_key_that_is_not_known_during_an_outage_is_not_a_wrong_one() -> None:
    issuer = Issuer()
    keys = issuer.keys_of()
    find(keys, "1")
    issuer.keys, issuer.away = [FIRST, SECOND], True
    issuer.now += 11
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            find(keys, "2")
    assert find(keys, "1") == ["1"], "one that is known is used on"
    issuer.away = False
    issuer.now += 11

    assert find(keys, "2") == ["2"]
    assert find(keys, "3") == [], "the issuer has answered: there is no such key"


def test_keys_that_the_issuer_has_moved_are_discovered_again() -> None:
    issuer = Issuer()
    moved = False

    async def get(url: str) -> Any:
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": f"https://keys.example.com/{'new' if moved else 'old'}"}
        if url.endswith("old") and moved:
            raise ValueError("status 404")
        return {"keys": [SECOND if moved else FIRST]}

    keys = KeySet(get, ["RS256"], issuer=ISSUER, clock=lambda: issuer.now, refresh_seconds=60)
    assert find(keys, "1") == ["1"]
    moved = True
    issuer.now += 61
    assert find(keys, "1") == ["1"]
    issuer.now += 11

    assert find(keys, "2") == ["2"]


def test_without_any_key_yet_an_outage_is_unavailable_and_not_wrong() -> None:
    issuer = Issuer()
    issuer.away = True
    keys = issuer.keys_of()

    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            find(keys, "1")
    assert len(issuer.asked) == 1


def test_the_discovery_document_of_another_issuer_is_not_believed() -> None:
    issuer = Issuer()
    issuer.name = "https://evil.example.com"

    with pytest.raises(KeysUnavailable):
        find(issuer.keys_of(), "1")


def test_shared_secrets_and_keys_for_encryption_are_left_out() -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}
    written = {"keys": [secret, {**SECOND, "use": "enc"}, FIRST, {"kty": "new"}]}
    keys = KeySet(Issuer().get, ["RS256", "HS256"], fixed=written)

    assert find(keys, None) == ["1"]


def test_an_issuer_that_hangs_delays_no_caller_whose_key_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway_jwt_auth.key_set._PATIENCE_SECONDS", 0.02)
    issuer = Issuer()
    hanging = asyncio.Event()

    async def get(url: str) -> Any:
        if issuer.away:
            await hanging.wait()
        return await Issuer.get(issuer, url)

    async def callers() -> tuple[list[list[Any]], list[Any]]:
        keys = KeySet(get, ["RS256"], issuer=ISSUER, clock=lambda: issuer.now)
        await keys.find("1", "RS256")
        issuer.away, issuer.keys = True, [SECOND]
        issuer.now += 400
        known = [await asyncio.wait_for(keys.find("1", "RS256"), 5) for _ in range(20)]
        new = asyncio.create_task(keys.find("2", "RS256"))
        await asyncio.sleep(0)
        issuer.away = False
        hanging.set()
        return known, await new

    known, new = asyncio.run(callers())

    assert [[key.key_id for key in each] for each in known] == [["1"]] * 20
    assert [key.key_id for key in new] == ["2"], "one whose key is not known waits for it"


@pytest.mark.parametrize("broken", [{"n": "!"}, {"n": 5}, {"e": None}, {"alg": []}, {"kid": []}, {"n": "A" * 9}])
def test_a_key_that_can_not_be_read_takes_no_other_with_it(broken: dict[str, Any]) -> None:
    issuer = Issuer()
    issuer.keys = [{**SECOND, **broken}, FIRST]

    assert "1" in find(issuer.keys_of(), "1")
