"""AWS credentials and Signature Version 4, by botocore: its chain, its signer. Loaded only where needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from llm_gateway_sdk import Headers, ModelError

__all__ = ["CredentialSource", "Credentials", "FixedCredentials", "SessionCredentials", "session_region", "sign"]

_RECHECK_SECONDS = 60.0
"""How often temporary credentials are looked at; botocore renews them 15 minutes before they end."""
_STALE_SECONDS = 600.0
"""After so long a silence they may have ended: the next request waits for new ones."""
_LOAD_SECONDS = 15.0

_CODE = "provider_credential_unavailable"
"""It is the gateway's own credential: a client that got a 401 would look for a fault in its own."""
_ERRORTEXT = "No AWS credentials were found; write accessKeyId and secretAccessKey, profile or apiKey."


class Credentials(Protocol):
    """An access key as botocore's signer reads it."""

    access_key: str
    secret_key: str
    token: str | None


class CredentialSource(Protocol):
    def current(self) -> Credentials:
        """Credentials that are valid now. Raises ModelError."""
        ...

    def known(self) -> tuple[str, ...]:
        """The secrets held now, which may never be shown."""
        ...

    def close(self) -> None: ...


class FixedCredentials:
    """Credentials that the configuration holds."""

    def __init__(self, access_key: str, secret_key: str, token: str | None = None) -> None:
        from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]

        self._credentials: Any = ReadOnlyCredentials(access_key, secret_key, token)

    def current(self) -> Credentials:
        credentials: Credentials = self._credentials
        return credentials

    def known(self) -> tuple[str, ...]:
        return _secrets(self._credentials)

    def close(self) -> None:
        """Nothing is held."""


class SessionCredentials:
    """botocore's chain: environment, shared files, SSO, web identity, container and instance roles.

    Renewal may ask the network, so that it happens in a separate thread, ahead of time; requests use what is at hand.
    Only the first one, and one after a long silence, wait.
    """

    def __init__(self, profile: str | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._profile = profile
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aws-credentials")
        self._lock = threading.Lock()
        self._running: Future[Any] | None = None
        self._chain: Any = None
        self._frozen: Any = None
        self._looked = float("-inf")

    def current(self) -> Credentials:
        age = self._clock() - self._looked
        if age > _RECHECK_SECONDS:
            running = self._renew()
            if self._frozen is None or age > _STALE_SECONDS:
                self._wait(running)
        if self._frozen is None:
            raise ModelError(_ERRORTEXT, status=502, code=_CODE, retryable=False)
        credentials: Credentials = self._frozen
        return credentials

    def known(self) -> tuple[str, ...]:
        return _secrets(self._frozen)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _renew(self) -> Future[Any]:
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._thread.submit(self._load)
            return self._running

    def _wait(self, running: Future[Any]) -> None:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

        try:
            running.result(_LOAD_SECONDS)
        except (BotoCoreError, TimeoutError) as error:
            raise ModelError(
                f"AWS credentials could not be loaded: {error}", status=502, code=_CODE, retryable=True
            ) from None

    def _load(self) -> None:
        if self._chain is None:
            from botocore.session import Session  # type: ignore[import-untyped, unused-ignore]

            self._chain = Session(profile=self._profile).get_credentials()
        if self._chain is not None:
            self._frozen = self._chain.get_frozen_credentials()
        self._looked = self._clock()


def _secrets(credentials: Any) -> tuple[str, ...]:
    if credentials is None:
        return ()
    return tuple(value for value in (credentials.secret_key, credentials.token) if value)


def session_region(profile: str | None) -> str | None:
    """The region that environment or shared configuration name. Raises BotoCoreError for an unknown profile."""
    from botocore.session import Session  # type: ignore[import-untyped, unused-ignore]

    region = Session(profile=profile).get_config_variable("region")
    return str(region) if region else None


def sign(
    method: str, url: str, headers: Headers, body: bytes, *, credentials: Credentials, region: str, service: str
) -> list[tuple[str, str]]:
    """The headers that make the request a signed one; only its type, host and body are signed, so that nothing which
    an HTTP client adds can break the signature."""
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]

    request = AWSRequest(method=method, url=url, data=body, headers={"content-type": headers.get("content-type", "")})
    SigV4Auth(credentials, service, region).add_auth(request)
    return [(name.lower(), value) for name, value in request.headers.items() if name.lower() in _SIGNED]


_SIGNED = frozenset({"authorization", "x-amz-date", "x-amz-security-token"})
