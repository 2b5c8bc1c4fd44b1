"""`auth: {type: google}`: access tokens of Google Cloud by google-auth.

A file of credentials may be a service account's key, or describe workload identity federation; without one google-auth
looks where every Google library does: the variable GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, and the metadata
server of the machine. google-auth waits for its answers; it is called in a separate thread, next to requests that go
on with the present token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar

import google.auth
import requests
from google.auth import aws, identity_pool, impersonated_credentials, pluggable
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import credentials, service_account

from llm_gateway_sdk.credential_kinds import CredentialKind
from llm_gateway_sdk.credentials import Token
from llm_gateway_sdk.errors import ConfigError, ConfigProblem
from llm_gateway_sdk.own_thread import OwnThread

__all__ = ["GoogleCredential", "project_of"]

_AWS_TOKEN = "urn:ietf:params:aws:token-type:aws4_request"
_TYPES = ("service_account", "external_account", "authorized_user", "impersonated_service_account")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 15.0


class _Request(Request):
    """google-auth waits for two minutes: an endpoint that is well again would not be asked for so long."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Any = None,
        timeout: float = _SECONDS,
        **kwargs: Any,
    ) -> Any:
        ask: Any = super().__call__
        return ask(url, method, body, headers, min(timeout, _SECONDS), **kwargs)


class GoogleCredential(CredentialKind):
    name = "google"
    configuration_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "credentialsFile": {"type": "string"},
            "credentialsJson": {"type": "string"},
            "scopes": {"type": "array"},
            "impersonate": {"type": "string"},
        },
    }

    _credentials: Any = None

    def configure(self, config: Mapping[str, Any], base_url: str) -> None:
        self._scopes = [str(scope) for scope in config.get("scopes") or [SCOPE]]
        self._thread = OwnThread("google-credential")
        self._impersonate = config.get("impersonate")
        info = read_info(config)
        if info is not None:
            key = "credentialsFile" if config.get("credentialsFile") else "credentialsJson"
            if info.get("type") not in _TYPES:
                raise ConfigError([ConfigProblem(f"expected the type {' or '.join(_TYPES)}", f"auth.{key}")])
            try:
                self._credentials = _made_of(info, self._scopes)
            except (GoogleAuthError, ValueError) as error:
                raise ConfigError([ConfigProblem(f"can't be used: {_words(error)}", f"auth.{key}")]) from None

    async def fetch(self) -> Token:
        return await self._thread.run(self._fetch)

    def _fetch(self) -> Token:
        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=self._scopes)
            present = self._credentials
            if self._impersonate:
                present = self._as_other(present)
            with requests.Session() as session:
                present.refresh(_Request(session))
        except GoogleAuthError as error:
            raise ValueError(_words(error)) from None
        expires = present.expiry
        return Token(present.token, None if expires is None else expires.replace(tzinfo=UTC).timestamp())

    def _as_other(self, present: Any) -> Any:
        return impersonated_credentials.Credentials(
            source_credentials=present, target_principal=self._impersonate, target_scopes=self._scopes
        )


def _made_of(info: Mapping[str, Any], scopes: list[str]) -> Any:
    """Credentials of one of the types of `_TYPES`, without a call. Raises ValueError, GoogleAuthError."""
    kind = info["type"]
    if kind == "service_account":
        return service_account.Credentials.from_service_account_info(info, scopes=scopes)
    if kind == "authorized_user":
        return credentials.Credentials.from_authorized_user_info(info, scopes=scopes)
    if kind == "impersonated_service_account":
        return impersonated_credentials.Credentials.from_impersonated_service_account_info(info, scopes=scopes)
    if info.get("subject_token_type") == _AWS_TOKEN:
        return aws.Credentials.from_info(info, scopes=scopes)
    if "executable" in (info.get("credential_source") or {}):
        return pluggable.Credentials.from_info(info, scopes=scopes)
    return identity_pool.Credentials.from_info(info, scopes=scopes)


def read_info(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The credentials that are written or lie in the named file; None where none are. Raises ConfigError."""
    key = "credentialsFile" if config.get("credentialsFile") else "credentialsJson"
    if not config.get(key):
        return None
    try:
        text = Path(config[key]).read_text() if key == "credentialsFile" else config[key]
        info = json.loads(text)
    except OSError as error:
        raise ConfigError([ConfigProblem(f"can't be read: {error.strerror}", f"auth.{key}")]) from None
    except ValueError:
        raise ConfigError([ConfigProblem("expected a JSON object", f"auth.{key}")]) from None
    if not isinstance(info, dict):
        raise ConfigError([ConfigProblem("expected a JSON object", f"auth.{key}")])
    return info


def project_of(config: Mapping[str, Any]) -> str | None:
    """The project that the written credentials are of."""
    info = read_info(config)
    found = (info or {}).get("project_id") or (info or {}).get("quota_project_id")
    return str(found) if found else None


def _words(error: Exception) -> str:
    """The first part of google-auth's message; its second may be a whole reply."""
    return str(error.args[0] if error.args else error)[:300]
