"""Credentials that end: tokens that a provider fetches, keeps, and fetches again before they end.

A request never waits for a token that is still good: one that nears its end is fetched again next to the requests that
use it. Where there is none, requests wait together for one fetch. What goes wrong is the provider's failure: another
model may answer, and the client is not asked for a credential that it does not have.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from .background import end_tasks
from .errors import ModelError
from .wire import json

__all__ = ["CredentialUnavailable", "Token", "TokenSource", "expiry_of_jwt"]

log = logging.getLogger("llm_gateway.credentials")

DEFAULT_LIFETIME = 300.0
"""Seconds for which a token is used that does not say when it ends."""
EARLY_SECONDS = 300.0
EARLY_SHARE = 0.2
"""A token is fetched again so long before its end: the lesser of the two."""
PAUSE_SECONDS = 5.0
"""After a failed fetch no other is begun for so long."""


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    expires: float | None = None
    """Seconds since the epoch; None where it is not known."""


class CredentialUnavailable(ModelError):
    """The provider's credential could not be obtained, or was refused. Who refused it, and why, is in the gateway's log
    alone."""

    status = 502
    code = "provider_credential_unavailable"

    def __init__(self, provider: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(
            f"The gateway has no valid credential for the provider '{provider}' at the moment.",
            retryable=retryable,
            retry_after=retry_after,
        )


class TokenSource:
    """One credential of one provider, used in one event loop.

    `fetch` gives a new token, and raises any exception where it can't; it is given up after `timeout` seconds. `name`
    is the provider's, for messages.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        name: str,
        *,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._name = name
        self._timeout = timeout
        self._clock = clock
        self._token: Token | None = None
        self._refresh_at = 0.0
        self._ends = 0.0
        self._running: asyncio.Task[None] | None = None
        self._failed_at = float("-inf")
        self._former: str | None = None

    @property
    def value(self) -> str | None:
        """The token as it is, without a look at the time."""
        return self._token.value if self._token is not None else None

    def known(self) -> tuple[str, ...]:
        """The tokens that requests under way may carry: strings that no log and no error may quote."""
        return tuple(value for value in (self.value, self._former) if value)

    async def ready(self) -> None:
        """Returns when `value` can be used, nearly always at once. Raises CredentialUnavailable."""
        now = self._clock()
        if self._token is not None and now < self._refresh_at:
            return
        if now - self._failed_at >= PAUSE_SECONDS or self._running is not None:
            task = self._start()
            if self._token is None or now >= self._ends:
                await asyncio.shield(task)
        if self._token is None or self._clock() >= self._ends:
            raise CredentialUnavailable(self._name, retry_after=PAUSE_SECONDS)

    def refused(self, value: str | None) -> None:
        """The provider has refused this token: where it is still the present one, the next request fetches another."""
        if value is not None and value == self.value:
            self._former, self._token = value, None

    async def aclose(self) -> None:
        if self._running is not None:
            await end_tasks(self._running)

    def _start(self) -> asyncio.Task[None]:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._refresh())
            self._running.add_done_callback(self._ended)
        return self._running

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                token = await self._fetch()
        except Exception as error:
            self._failed_at = self._clock()
            log.warning("the credential of provider '%s' could not be obtained: %s", self._name, _words(error))
            return
        now = self._clock()
        ends = token.expires
        if ends is None:
            ends = expiry_of_jwt(token.value) or now + DEFAULT_LIFETIME
        if not token.value or ends <= now:
            self._failed_at = now
            log.warning("the credential of provider '%s' is empty or has already ended", self._name)
            return
        if self._token is not None and self._token.value != token.value:
            self._former = self._token.value
        self._token, self._ends = token, ends
        self._refresh_at = ends - min(EARLY_SECONDS, EARLY_SHARE * (ends - now))
        self._failed_at = float("-inf")


def expiry_of_jwt(token: str) -> float | None:
    """When a JSON Web Token ends, in seconds since the epoch; None for any other token. The signature is not checked:
    it is the gateway's own credential."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return float(expires) if isinstance(expires, int | float) and not isinstance(expires, bool) else None


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it was not answered in time"
    return f"{type(error).__name__}: {str(error)[:500]}"
