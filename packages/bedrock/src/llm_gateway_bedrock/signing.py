"""AWS credentials and Signature Version 4, by botocore: its chain, its signer. Loaded only where needed."""

from __future__ import annotations

from typing import Any, Protocol

from llm_gateway_sdk import Headers, ModelError
from llm_gateway_sdk.credentials import Token
from llm_gateway_sdk.own_thread import OwnThread

__all__ = ["CredentialSource", "Credentials", "FixedCredentials", "SessionCredentials", "session_region", "sign"]

_CODE = "provider_credential_unavailable"
"""It is the gateway's own credential: a client that got a 401 would look for a fault in its own."""


class Credentials(Protocol):
    """An access key as botocore's signer reads it."""

    access_key: str
    secret_key: str
    token: str | None


class CredentialSource(Protocol):
    def current(self) -> Credentials:
        """Those that requests are signed with. Raises ModelError where there are none."""
        ...

    def known(self) -> tuple[str, ...]:
        """The secrets held now, which may never be shown."""
        ...


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


class SessionCredentials:
    """botocore's chain: environment, shared files, SSO, web identity, container and instance roles.

    botocore waits for the network: it is called in a separate thread, ahead of time, next to requests that go on with
    the present credentials. `fetch` is for a `TokenSource`; the credentials are those of its last success.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._profile = profile
        self._thread = OwnThread("aws-credentials")
        self._chain: Any = None
        self._frozen: Any = None

    async def fetch(self) -> Token:
        """The secret of new credentials, and their end. Raises any exception."""
        return await self._thread.run(self._load)

    def current(self) -> Credentials:
        if self._frozen is None:
            raise ModelError("No AWS credentials have been loaded.", status=502, code=_CODE, retryable=False)
        credentials: Credentials = self._frozen
        return credentials

    def known(self) -> tuple[str, ...]:
        return _secrets(self._frozen)

    def _load(self) -> Token:
        if self._chain is None:
            self._chain = _session(self._profile).get_credentials()
        if self._chain is None:
            raise ValueError("none were found: write accessKeyId and secretAccessKey, profile or apiKey")
        self._frozen = self._chain.get_frozen_credentials()
        ends = getattr(self._chain, "_expiry_time", None)
        return Token(self._frozen.token or self._frozen.secret_key, None if ends is None else ends.timestamp())


def _session(profile: str | None) -> Any:
    """botocore waits for a minute, five times: an endpoint that is well again would not be asked for so long."""
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.session import Session  # type: ignore[import-untyped, unused-ignore]

    session = Session(profile=profile)
    waiting = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    session.set_default_client_config(waiting)
    return session


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
