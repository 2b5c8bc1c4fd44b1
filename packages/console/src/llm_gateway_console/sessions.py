"""Who has signed in is in the cookie, with a signature; the store has only who has signed out since.

The signing key follows from the administration's credentials, so that every worker knows it, and every session ends
when a credential changes. Signing out is kept in the gateway's store until the session would have ended by itself: so a
cookie that was copied before is of no use after.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from llm_gateway_sdk import Store, StoreError
from llm_gateway_sdk.admin import Role
from llm_gateway_sdk.wire import json

__all__ = ["Session", "Sessions", "can"]

log = logging.getLogger("llm_gateway.plugins.console")

_ENDED: Final = "console/ended/"
"""Where the sessions that were ended are among the store's records."""
_RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}


def can(role: Role, needed: Role) -> bool:
    """Whether a role includes another one."""
    return _RANK[role] >= _RANK[needed]


@dataclass(frozen=True, slots=True)
class Session:
    name: str
    role: Role
    ends: int
    """Seconds since the epoch."""
    token: str
    """Sent with each form and each call of a script, against requests that other sites forge."""
    id: str = ""
    """Names the session in the store. It follows from the cookie, and not the other way round."""


class Sessions:
    """`secret` signs; it must not be empty. Sessions end after `seconds`. `store` gives the gateway's store."""

    def __init__(
        self,
        secret: bytes,
        seconds: float,
        *,
        clock: Callable[[], float] = time.time,
        store: Callable[[], Store] | None = None,
    ) -> None:
        if not secret:
            raise ValueError("sessions need a secret")
        self._secret = secret
        self.seconds = int(seconds)
        self._clock = clock
        self._store = store
        self._ended: dict[str, int] = {}

    def begin(self, name: str, role: Role) -> str:
        """The value of a new session's cookie."""
        return self.seal({"n": name, "r": role, "e": int(self._clock()) + self.seconds, "s": secrets.token_hex(16)})

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie; None where it is forged or over."""
        found = self.open(cookie)
        if found is None or found.get("r") not in _RANK or "s" not in found:
            return None
        secret = found["s"].encode()
        return Session(found["n"], found["r"], found["e"], self._mac(b"token", secret), self._mac(b"id", secret)[:32])

    async def end(self, session: Session) -> None:
        """The session is of no use from now on. Raises StoreError where only this process could remember it."""
        self._ended[session.id] = session.ends
        if self._store is not None:
            await self._store().keep({_ENDED + session.id: b"1"}, max(1.0, session.ends - self._clock()))

    async def is_over(self, session: Session) -> bool:
        """Whether it was ended. Where the store does not answer, what this process remembers counts: the pages that
        show what is wrong with a store must not need it."""
        now = self._clock()
        self._ended = {each: ends for each, ends in self._ended.items() if ends > now}
        if session.id in self._ended or self._store is None:
            return session.id in self._ended
        try:
            return bool(await self._store().recall([_ENDED + session.id]))
        except StoreError as error:
            log.warning("the store does not answer whether a session was ended: %s", error)
            return False

    def accepts(self, session: Session, token: str) -> bool:
        return hmac.compare_digest(session.token.encode(), token.encode())

    def seal(self, value: dict[str, Any]) -> str:
        """A value with a signature, for a cookie. `e` is when it ends."""
        body = base64.urlsafe_b64encode(json.dumps(value)).decode().rstrip("=")
        return f"{body}.{self._mac(b'cookie', body.encode())}"

    def open(self, cookie: str) -> dict[str, Any] | None:
        """The value of such a cookie; None where it is forged or over."""
        body, _, mac = cookie.partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(b"cookie", body.encode()).encode()):
            return None
        value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return value if value["e"] > self._clock() else None

    def _mac(self, purpose: bytes, value: bytes) -> str:
        return hmac.new(self._secret, purpose + b"\0" + value, hashlib.sha256).hexdigest()
