"""The public keys of one issuer (RFC 7517), by OpenID Connect discovery or from an address: fetched when first needed,
again when they are old or a token names a key that is not among them, and kept while the issuer can't be reached."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import jwt

__all__ = ["KeySet", "KeysUnavailable"]

log = logging.getLogger("llm_gateway.plugins.jwt_auth")

Fetch = Callable[[str], Awaitable[Any]]
"""GET of an address, as JSON. Raises OSError or ValueError."""

_AGAIN_SECONDS = 10.0
"""Least time between two requests for keys, whatever tokens name: strangers must not set the pace."""
_PATIENCE_SECONDS = 1.0
"""How long requests wait for newer keys where those that are held would do: an issuer that hangs must not hold up all
callers."""


class KeysUnavailable(Exception):
    """The issuer's keys could not be had, and those that are held, if any, do not decide."""


class KeySet:
    """The keys that may sign tokens of one issuer."""

    def __init__(
        self,
        fetch: Fetch,
        algorithms: Iterable[str],
        *,
        issuer: str = "",
        jwks_url: str = "",
        fixed: Mapping[str, Any] | None = None,
        refresh_seconds: float = 300.0,
        outage_seconds: float = 86_400.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._algorithms = frozenset(algorithms)
        self._issuer = issuer
        self._url = jwks_url
        self._discovers = not jwks_url
        self._away = False
        """The last request for keys failed."""
        self._refresh = refresh_seconds
        self._outage = outage_seconds
        self._clock = clock
        self._keys: list[jwt.PyJWK] = []
        self._fixed = fixed is not None
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._patient_until = 0.0
        if fixed is not None:
            self._keys = self._usable(fixed)
            if not self._keys:
                raise ValueError("`jwks` has no key for one of the allowed algorithms")

    async def find(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """The keys with which a token of this key id and algorithm may be signed; empty where there is none.

        Raises KeysUnavailable, also for a key id that is not known while the issuer can't be reached: it may be new.
        """
        if not self._fixed and self._clock() - self._read_at >= self._refresh:
            await self._update(may_go_on=bool(self._matching(key_id, algorithm)))
        found = self._matching(key_id, algorithm)
        if not found and not self._fixed:
            await self._update()
            found = self._matching(key_id, algorithm)
            if not found and self._away:
                raise KeysUnavailable
        return found

    def _matching(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        return [
            key
            for key in self._keys
            if key.algorithm_name in (algorithm, None) and (key_id is None or key.key_id in (key_id, None))
        ]

    async def _update(self, *, may_go_on: bool = False) -> None:
        """Returns when the keys are as new as may be had. `may_go_on`: those that are held would do."""
        loop = asyncio.get_running_loop()
        if self._asking is None:
            now = self._clock()
            if now - self._asked_at < _AGAIN_SECONDS:
                self._check_age(now)
                return  # somebody else has just asked
            self._asked_at = now
            self._patient_until = loop.time() + _PATIENCE_SECONDS
            self._asking = loop.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        patience = max(0.0, self._patient_until - loop.time()) if may_go_on else None
        await asyncio.wait([self._asking], timeout=patience)
        self._check_age(self._clock())

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None

    async def _ask(self) -> None:
        try:
            document = await self._fetch(await self._address())
            keys = self._usable(document)
            if not keys:
                raise ValueError("the issuer's key set has no key for one of the allowed algorithms")
        except Exception as error:  # whatever an issuer answers, callers with a key that is held are let in
            log.warning("keys of the issuer %s can't be read: %s", self._issuer or self._url, error)
            self._away = True
            if self._discovers:
                self._url = ""  # the issuer may have moved its keys
            return
        self._keys, self._read_at, self._away = keys, self._clock(), False

    def _check_age(self, now: float) -> None:
        if now - self._read_at >= self._outage:
            self._keys = []
            raise KeysUnavailable

    async def _address(self) -> str:
        if not self._url:
            document = await self._fetch(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            if not isinstance(document, dict) or document.get("issuer") != self._issuer:
                raise ValueError("the discovery document is of another issuer")
            address = document.get("jwks_uri")
            if not isinstance(address, str) or not address.startswith(("https://", self._issuer)):
                raise ValueError("the discovery document has no usable `jwks_uri`")
            self._url = address
        return self._url

    def _usable(self, document: Any) -> list[jwt.PyJWK]:
        """Keys for signatures by an allowed algorithm; others, and unknown kinds, are left out."""
        if not isinstance(document, Mapping) or not isinstance(document.get("keys"), list):
            raise ValueError("expected a JSON object with `keys`")
        found: list[jwt.PyJWK] = []
        for written in document["keys"]:
            if not isinstance(written, dict) or written.get("use", "sig") != "sig" or written.get("kty") == "oct":
                continue
            try:
                names = [written["alg"]] if "alg" in written else _algorithms_of(written)
                allowed = [name for name in names if name in self._algorithms]
                found.extend(jwt.PyJWK.from_dict(written, algorithm=name) for name in allowed)
            except Exception as error:  # one key that can't be read takes no other with it
                log.info("a key of the issuer is left out: %s", error)
        return found


_CURVES = {"P-256": ["ES256"], "P-384": ["ES384"], "P-521": ["ES512"], "secp256k1": ["ES256K"]}
_RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


def _algorithms_of(key: Mapping[str, Any]) -> list[str]:
    kind = key.get("kty")
    if kind == "RSA":
        return _RSA
    if kind == "EC":
        return _CURVES.get(str(key.get("crv")), [])
    return ["EdDSA"] if kind == "OKP" else []
