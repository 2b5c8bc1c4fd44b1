"""Tokens of an issuer over the network: keys that change under load, strangers with invented key ids, an issuer that
hangs and one that is gone, and tokens that are made to confuse or to weigh."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from loopback import Call, Gateway, Reply, config, gateway, run, upstream

AGAIN = 0.3
"""Seconds between two requests for keys."""
HANGS = 1.0
"""Seconds that an issuer has for an answer."""
OWN = 3.0
"""Seconds that a request may take on a busy machine."""
KEYS = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("1", "2")}


@dataclass
class Issuer:
    """`published` are the ids of the keys that it shows."""

    published: list[str] = field(default_factory=lambda: ["1"])
    url: str = ""
    hangs: bool = False
    away: bool = False
    asked: list[float] = field(default_factory=list)
    """When its keys were asked for."""

    async def __call__(self, call: Call) -> None:
        if self.hangs:
            await call.hang()
        elif self.away:
            call.reset()
        elif call.path.endswith("/.well-known/openid-configuration"):
            await call.send(200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        else:
            self.asked.append(time.monotonic())
            await call.send(200, {"keys": [self._shown(kid) for kid in self.published]})

    def _shown(self, kid: str) -> dict[str, Any]:
        return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[kid].public_key())), "kid": kid, "use": "sig"}

    def token(self, kid: str = "1", *, named: str | None = None, **claims: Any) -> str:
        whole = {"iss": self.url, "aud": "gateway", "sub": "ann", "exp": time.time() + 600, **claims}
        return jwt.encode(whole, KEYS[kid], "RS256", {"kid": named or kid})


async def ask(served: Gateway, token: str) -> tuple[int, float]:
    began = time.monotonic()
    reply: Reply = await served.ask(
        None, path="/openai/v1/models", method="GET", headers={"authorization": f"Bearer {token}"}
    )
    return reply.status, time.monotonic() - began


def play(act: Callable[[Gateway, Issuer], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway_jwt_auth.key_set._AGAIN_SECONDS", AGAIN)
    monkeypatch.setattr("llm_gateway_jwt_auth.key_set._PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("llm_gateway_jwt_auth.plugin._ISSUER_SECONDS", HANGS)
    issuer = Issuer()

    async def main() -> None:
        async with upstream(issuer) as up:
            issuer.url = up.url
            plugin = {"name": "jwt", "type": "jwt-auth", "config": {"issuer": up.url, "audience": "gateway"}}
            models = [{"name": "m", "isDefault": True, "provider": {"type": "echo"}}]
            async with gateway(config(*models, plugins=[plugin])) as served:
                await act(served, issuer)

    run(main(), seconds=60)


def test_keys_change_under_load_and_a_flood_of_invented_key_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """No valid token is refused, no invalid one let in, and strangers do not set the pace of requests for keys."""

    async def act(served: Gateway, issuer: Issuer) -> None:
        signing, done = "1", asyncio.Event()
        good, bad = Counter[int](), Counter[int]()

        async def caller() -> None:
            while not done.is_set():
                good[(await ask(served, issuer.token(signing)))[0]] += 1

        async def stranger(number: int) -> None:
            while not done.is_set():
                number += 10
                bad[(await ask(served, issuer.token(signing, named=f"invented-{number}")))[0]] += 1

        began = time.monotonic()
        tasks = [asyncio.create_task(work) for work in (caller(), caller(), *(stranger(n) for n in range(4)))]
        await asyncio.sleep(AGAIN)
        issuer.published = ["1", "2"]
        await asyncio.sleep(3 * AGAIN)  # as an issuer does: shown before it is used
        signing = "2"
        await asyncio.sleep(2 * AGAIN)
        issuer.published = ["2"]
        await asyncio.sleep(3 * AGAIN)
        done.set()
        await asyncio.gather(*tasks)
        assert set(good) == {200}
        assert set(bad) == {401}
        assert good[200] > 10
        assert bad[401] > 10
        assert (await ask(served, issuer.token("1")))[0] == 401, "a key that was taken back"
        assert len(issuer.asked) <= (time.monotonic() - began) / AGAIN + 1

    play(act, monkeypatch)


def test_an_issuer_that_hangs_or_is_gone_is_not_a_wrong_token(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(served: Gateway, issuer: Issuer) -> None:
        assert (await ask(served, issuer.token()))[0] == 200
        issuer.hangs = True
        await asyncio.sleep(AGAIN)
        new = asyncio.create_task(ask(served, issuer.token("2")))
        await asyncio.sleep(0.05)
        known = await asyncio.gather(*(ask(served, issuer.token()) for _ in range(20)))
        assert {status for status, _ in known} == {200}
        assert max(seconds for _, seconds in known) < OWN
        status, seconds = await new
        assert status == 503, "its key may be new"
        assert seconds < HANGS + OWN
        issuer.hangs, issuer.away = False, True
        await asyncio.sleep(AGAIN)
        assert (await ask(served, issuer.token()))[0] == 200
        assert (await ask(served, issuer.token("2")))[0] == 503
        issuer.away, issuer.published = False, ["1", "2"]
        await asyncio.sleep(AGAIN)
        assert (await ask(served, issuer.token("2")))[0] == 200
        assert (await ask(served, issuer.token("2", named="3")))[0] == 401

    play(act, monkeypatch)


def encoded(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(issuer: Issuer, header: dict[str, Any], claims: bytes | None = None) -> str:
    """Signed with the public key as if that were a shared secret."""
    body = claims or json.dumps({"iss": issuer.url, "aud": "gateway", "sub": "x", "exp": time.time() + 60}).encode()
    pem = (
        KEYS["1"].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head = f"{encoded(header)}.{encoded(body)}"
    return f"{head}.{encoded(hmac.new(pem, head.encode(), hashlib.sha256).digest())}"


def weighty(issuer: Issuer) -> dict[str, str]:
    name = json.dumps(issuer.url).encode()
    deep = b'{"iss":' + name + b',"a":' + b"[" * 5000 + b"]" * 5000 + b"}"
    return {
        "many claims": issuer.token(**{f"claim{number}": number for number in range(1000)}),
        "a long claim": issuer.token(groups=["x" * 10_000]),
        "deep claims": forged(issuer, {"alg": "RS256"}, deep),
        "a long number": forged(issuer, {"alg": "RS256"}, b'{"iss":' + name + b',"exp":' + b"9" * 5000 + b"}"),
        "a long key id": issuer.token(named="k" * 10_000),
        "more than a head may have": issuer.token(groups=["x" * 200_000]),
        "dots": "." * 10_000,
    }


def test_tokens_that_are_made_to_confuse_or_to_weigh_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(served: Gateway, issuer: Issuer) -> None:
        assert (await ask(served, issuer.token()))[0] == 200
        now = time.time()
        algorithms = ("HS256", "none", "RS512", "rs256")
        wrong = {
            **{f"alg {name}": forged(issuer, {"alg": name, "kid": "1"}) for name in algorithms},
            "a key in the header": forged(issuer, {"alg": "RS256", "jwk": issuer._shown("2"), "kid": "2"}),
            "another audience": issuer.token(aud="another"),
            "not yet": issuer.token(nbf=now + 300),
            "from the future": issuer.token(iat=now + 300),
            "expired": issuer.token(exp=now - 300),
            "signed with another key": issuer.token("2", named="1"),
        }
        for name, token in wrong.items():
            assert (await ask(served, token))[0] == 401, name
        for name, claims in {"exp": {"exp": now - 20}, "nbf": {"nbf": now + 20}, "iat": {"iat": now + 20}}.items():
            assert (await ask(served, issuer.token(**claims)))[0] == 200, f"clocks differ: {name}"
        for name, token in weighty(issuer).items():
            status, seconds = await ask(served, token)
            assert status in (200, 401, 431), name
            assert seconds < OWN, name
        assert (await ask(served, issuer.token()))[0] == 200

    play(act, monkeypatch)
