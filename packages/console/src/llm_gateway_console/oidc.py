"""Sign-in with OpenID Connect: authorization code with PKCE (RFC 7636).

Who has signed in is read from the provider's `userinfo` endpoint with the access token that came from its token
endpoint, both over the connection to the provider itself: what a browser carries is trusted for nothing but the code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from llm_gateway_sdk.admin import Role
from llm_gateway_sdk.documents_by_address import read_document

from .sessions import can
from .settings import OIDCSettings

__all__ = ["OIDC", "SignInFailure"]

log = logging.getLogger("llm_gateway.plugins.console")

_SECONDS: Final = 600
_DISCOVERY_SECONDS: Final = 3600.0


class SignInFailure(Exception):
    """The sign-in failed; the text is the reason, for the person who tried."""


class OIDC:
    """`client` gives an `httpx.AsyncClient`."""

    def __init__(self, settings: OIDCSettings, client: Callable[[], Any]) -> None:
        self._settings = settings
        self._client = client
        self._found: tuple[float, dict[str, Any]] | None = None

    @property
    def _back(self) -> str:
        return f"{self._settings.public_url}/oidc/back"

    async def begin(self, wanted: str) -> tuple[str, dict[str, Any]]:
        """The provider's address to send the browser to, and what must come back with it, to be kept in a signed
        cookie. Raises SignInFailure where the provider does not answer."""
        endpoints = await self._endpoints()
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = endpoints["authorization_endpoint"]
        way = {"state": state, "verifier": verifier, "next": wanted, "e": int(time.time()) + _SECONDS}
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", way

    async def end(self, query: Mapping[str, str], way: Mapping[str, Any]) -> tuple[str, Role]:
        """Name and role of who comes back. Raises SignInFailure."""
        begun = str(way.get("state", ""))
        if not begun or not hmac.compare_digest(query.get("state", "").encode(errors="replace"), begun.encode()):
            raise SignInFailure("This sign-in was not begun here, or took too long. Begin again.")
        if "error" in query:
            raise SignInFailure(f"The provider refused: {query.get('error_description') or query['error']}")
        if query.get("iss", self._settings.issuer).rstrip("/") != self._settings.issuer:
            raise SignInFailure("The answer came from another provider than was asked.")
        endpoints = await self._endpoints()
        fields = {
            "grant_type": "authorization_code",
            "code": query.get("code", ""),
            "redirect_uri": self._back,
            "client_id": self._settings.client_id,
            "code_verifier": str(way["verifier"]),
        }
        if self._settings.client_secret:
            fields["client_secret"] = self._settings.client_secret
        tokens = await self._ask("POST", endpoints["token_endpoint"], data=fields)
        headers = {"authorization": f"Bearer {tokens.get('access_token', '')}"}
        return self._admitted(await self._ask("GET", endpoints["userinfo_endpoint"], headers=headers))

    def _admitted(self, claims: Mapping[str, Any]) -> tuple[str, Role]:
        settings = self._settings
        name = str(claims.get(settings.name_claim) or claims.get("sub") or "")
        values = claims.get(settings.role_claim, ())
        held = list(map(str, values)) if isinstance(values, list | tuple | Mapping) else [str(values)]
        roles = [settings.roles[value] for value in held if value in settings.roles]
        if not name or not roles:
            raise SignInFailure(f"{name or 'This account'} has no role here.")
        best = roles[0]
        for role in roles:
            best = role if can(role, best) else best
        return name, best

    async def _endpoints(self) -> dict[str, Any]:
        now = time.monotonic()
        if self._found is None or now - self._found[0] > _DISCOVERY_SECONDS:
            document = await self._ask("GET", f"{self._settings.issuer}/.well-known/openid-configuration")
            if str(document.get("issuer", "")).rstrip("/") != self._settings.issuer:
                raise SignInFailure("The provider's document names another issuer.")
            missing = {"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} - set(document)
            if missing:
                raise SignInFailure(f"The provider's document lacks {', '.join(sorted(missing))}.")
            self._found = now, document
        return self._found[1]

    async def _ask(self, method: str, url: str, **parts: Any) -> dict[str, Any]:
        try:
            status, found = await read_document(self._client(), method, url, **parts)
        except Exception as error:  # whatever the client's transport raises: the person is to read one sentence
            log.warning("console: %s does not answer as it should: %r", url, error)
            raise SignInFailure("The sign-in provider does not answer as it should.") from error
        if not 200 <= status < 300 or not isinstance(found, dict):
            raise SignInFailure(f"The sign-in provider refused with {status}.")
        return found
