"""Sessions without a store: who has signed in is in the cookie, with a signature.

The signing key follows from the administration's credentials, so that every worker knows it, and every session ends
when a credential changes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk.admin import Role
from llm_gateway_sdk.wire import json

__all__ = ["Session", "Sessions", "can"]

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


class Sessions:
    """`secret` signs; it must not be empty. Sessions end after `seconds`."""

    def __init__(self, secret: bytes, seconds: float, *, clock: Callable[[], float] = time.time) -> None:
        if not secret:
            raise ValueError("sessions need a secret")
        self._secret = secret
        self.seconds = int(seconds)
        self._clock = clock

    def begin(self, name: str, role: Role) -> str:
        """The value of a new session's cookie."""
        return self.seal({"n": name, "r": role, "e": int(self._clock()) + self.seconds, "s": secrets.token_hex(16)})

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie; None where it is forged or over."""
        found = self.open(cookie)
        if found is None or found.get("r") not in _RANK or "s" not in found:
            return None
        return Session(found["n"], found["r"], found["e"], self._mac(b"token", found["s"].encode()))

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
