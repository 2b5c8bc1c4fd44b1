from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from llm_gateway_jwt_auth import JWTAuth
from llm_gateway_jwt_auth.plugin import _SCHEMA

from llm_gateway_sdk.testing import PluginHarness

ISSUER = "https://login.example.com"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(key: Any, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if key is not EC else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


KEYS = {"keys": [public_jwk(RSA, "r1"), public_jwk(EC, "e1")]}
CONFIG = {
    "issuer": ISSUER,
    "audience": "gateway",
    "jwks": KEYS,
    "claims": {"team": "groups", "labels": {"env": "ctx.env"}, "models": "models"},
}


def token(key: Any = RSA, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    whole = {
        "iss": ISSUER, "aud": "gateway", "sub": "u1", "exp": time.time() + 60, "email": "ann@example.com",
        "groups": ["research", "all"], "ctx": {"env": "prod"}, "models": "claude-* gpt-5", **claims,
    }  # fmt: skip
    return jwt.encode(
        {name: value for name, value in whole.items() if value is not None}, key, algorithm, headers or {"kid": "r1"}
    )


def ask(credential: str, config: dict[str, Any] | None = None) -> Any:
    return PluginHarness(JWTAuth, config or CONFIG).ask(headers={"authorization": f"Bearer {credential}"})


def test_a_token_of_the_issuer_is_let_in() -> None:
    assert ask(token()).status == 200
    assert ask(token(EC, "ES256", {"kid": "e1"})).status == 200
    assert ask(token(aud=["other", "gateway"])).status == 200


def unsigned(**header: Any) -> str:
    parts = [{"typ": "JWT", **header}, {"iss": ISSUER, "aud": "gateway", "sub": "u1", "exp": time.time() + 60}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def confused() -> str:
    """Signed with the public key as if it were a shared secret."""
    import hashlib
    import hmac

    head = unsigned(alg="HS256", kid="r1").rstrip(".")
    signature = hmac.new(PEM, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "credential",
    [
        token(STRANGER),
        token(exp=time.time() - 60),
        token(exp=None),
        token(nbf=time.time() + 600),
        token(aud="another"),
        token(aud=None),
        token(sub=None),
        token(headers={"kid": "unknown"}),
        token(RSA, "RS512"),
        token(headers={"kid": "r1", "crit": ["x"]}),
        unsigned(alg="none"),
        unsigned(alg="None"),
        unsigned(alg="RS256", kid="r1"),
        confused(),
        token()[:-4] + "AAAA",
        token(exp=10**400),
        token(exp=float("inf")),
        token(nbf=10**400),
        token(iat={}),
    ],
    ids=[
        "another key", "expired", "no exp", "not yet", "another audience", "no audience", "no subject",
        "unknown key id", "algorithm not allowed", "critical header", "none", "None", "no signature",
        "public key as secret", "cut", "exp too large", "exp without end", "nbf too large", "iat of no number",
    ],
)  # fmt: skip
def test_anything_else_of_the_issuer_is_refused(credential: str) -> None:
    reply = ask(credential)

    assert (reply.status, reply.error.kind) == (401, "authentication")
    assert credential not in str(reply.error)


@pytest.mark.parametrize("credential", ["sk-123", "a.b.c", "gw_x_y", token(iss="https://other.example.com")])
def test_other_credentials_are_left_to_other_plugins_and_refused_without_one(credential: str) -> None:
    assert ask(credential).status == 401


def test_clocks_may_differ_by_the_skew() -> None:
    assert ask(token(exp=time.time() - 20)).status == 200
    assert ask(token(exp=time.time() - 20), {**CONFIG, "skew": 0}).status == 401


def test_required_claims_must_have_one_of_the_values() -> None:
    config = {**CONFIG, "required": {"groups": ["research", "sales"]}}

    assert ask(token(), config).status == 200
    assert ask(token(groups=["all"]), config).status == 401
    assert ask(token(groups=None), config).status == 401


def test_only_asymmetric_algorithms_can_be_allowed() -> None:
    allowed = _SCHEMA["properties"]["algorithms"]["items"]["enum"]

    assert not [name for name in allowed if name.startswith("HS") or name.lower() == "none"]


ROLES = {"claim": "realm_access.roles", "viewer": ["finance"], "operator": ["platform"], "admin": ["owners"]}


@pytest.mark.parametrize(
    ("claims", "identity"),
    [
        ({"realm_access": {"roles": ["finance"]}}, ("ann@example.com", "viewer")),
        ({"realm_access": {"roles": ["finance", "owners"]}}, ("ann@example.com", "admin")),
        ({"realm_access": {"roles": "platform other"}}, ("ann@example.com", "operator")),
        ({"realm_access": {"roles": ["other"]}}, None),
        ({}, None),
        ({"realm_access": {"roles": ["owners"]}, "exp": time.time() - 600}, None),
        ({"realm_access": {"roles": ["owners"]}, "aud": "other"}, None),
        ({"realm_access": {"roles": ["owners"]}, "iss": "https://other.example.com"}, None),
    ],
    ids=["viewer", "highest", "words", "another", "none", "expired", "audience", "issuer"],
)
def test_a_claim_gives_a_role_in_the_administration(claims: dict[str, Any], identity: Any) -> None:
    plugin = PluginHarness(JWTAuth, {**CONFIG, "adminRoles": ROLES}).plugin

    assert asyncio.run(plugin.admin_identity(token(**claims))) == identity


@pytest.mark.parametrize(
    "credential", ["", "root-key", token(STRANGER), unsigned(alg="none")], ids=["empty", "key", "stranger", "unsigned"]
)
def test_what_is_not_a_token_of_the_issuer_has_no_role(credential: str) -> None:
    plugin = PluginHarness(JWTAuth, {**CONFIG, "adminRoles": ROLES}).plugin

    assert asyncio.run(plugin.admin_identity(credential)) is None


def test_without_roles_no_token_is_one_of_an_administrator() -> None:
    assert asyncio.run(PluginHarness(JWTAuth, CONFIG).plugin.admin_identity(token())) is None
