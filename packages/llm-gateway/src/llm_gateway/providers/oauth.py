"""`auth: {type: oauth}`: a token by OAuth 2.0's client credentials, for Databricks and other issuers.

Source: RFC 6749, sections 2.3.1 and 4.4.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from llm_gateway_sdk.credential_kinds import CredentialKind
from llm_gateway_sdk.credentials import Token
from llm_gateway_sdk.errors import ConfigError, ConfigProblem
from llm_gateway_sdk.token_command import read_token

__all__ = ["OAuthCredential"]

_SECONDS = 25.0
_MAX_BYTES = 256 * 1024


class OAuthCredential(CredentialKind):
    name = "oauth"
    configuration_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["tokenUrl", "clientId", "clientSecret"],
        "properties": {
            "tokenUrl": {"type": "string"},
            "clientId": {"type": "string"},
            "clientSecret": {"type": "string"},
            "scope": {"type": "string"},
            "parameters": {"type": "object"},
            "clientAuth": {"enum": ["basic", "body"]},
        },
    }

    def configure(self, config: Mapping[str, Any], base_url: str) -> None:
        self._url = str(config["tokenUrl"])
        if self._url.startswith("/"):
            parts = urlsplit(base_url)
            self._url = f"{parts.scheme}://{parts.netloc}{self._url}"
        if not self._url.startswith(("https://", "http://")):
            raise ConfigError([ConfigProblem("expected an address, or a path below the provider's", "auth.tokenUrl")])
        secret = config["clientSecret"]
        fields = {"grant_type": "client_credentials"}
        if config.get("scope"):
            fields["scope"] = str(config["scope"])
        fields.update({str(name): str(value) for name, value in (config.get("parameters") or {}).items()})
        self._headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
        if config.get("clientAuth") == "body":
            fields.update(client_id=config["clientId"], client_secret=secret)
        else:
            pair = f"{quote(config['clientId'], safe='')}:{quote(secret, safe='')}"
            self._headers.append(("authorization", f"Basic {b64encode(pair.encode()).decode()}"))
        self._body = urlencode(fields).encode()

    async def fetch(self) -> Token:
        expires = asyncio.get_running_loop().time() + _SECONDS
        reply = await self.http.send("POST", self._url, self._headers, self._body, expires=expires)
        try:
            body = await reply.read(_MAX_BYTES)
        finally:
            reply.close()
        if reply.status != 200:
            raise ValueError(f"{urlsplit(self._url).hostname} answered the request for a token with {reply.status}")
        return read_token(body)
