"""What providers on AWS share: region, credentials, and requests that are signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from llm_gateway_sdk import ConfigError, ConfigProblem, Headers, HTTPProvider, HTTPSettings, WireRequest

from .signing import CredentialSource, FixedCredentials, SessionCredentials, session_region, sign

__all__ = ["AWS_PROPERTIES", "AWSProvider"]

_SUFFIXES = {"cn-": "amazonaws.com.cn"}

AWS_PROPERTIES: dict[str, Any] = {
    "region": {
        "type": "string",
        "pattern": "^[a-z0-9-]+$",
        "description": "AWS region; without it that of the environment or the profile.",
    },
    "accessKeyId": {"type": "string", "description": "AWS access key.", "x-secret": True},
    "secretAccessKey": {"type": "string", "description": "Its secret.", "x-secret": True},
    "sessionToken": {"type": "string", "description": "The token of temporary keys.", "x-secret": True},
    "profile": {"type": "string", "description": "Profile of the shared AWS configuration."},
}


class AWSProvider(HTTPProvider):
    """Credentials, in this order: `apiKey` (a bearer token), where the service has such; `accessKeyId` and
    `secretAccessKey`; botocore's chain, of `profile` if that is written. With `accessKeyId` written the API key is not
    used, also if `apiKey` is set: who writes both means to sign."""

    service: ClassVar[str]
    """The name by which requests are signed."""
    host: ClassVar[str]
    """The beginning of the service's host names, before the region."""
    finds_credentials: ClassVar[bool] = True
    _source: CredentialSource | None = None

    async def configure(self, config: dict[str, Any]) -> None:
        if bool(config.get("accessKeyId")) != bool(config.get("secretAccessKey")):
            raise ConfigError([ConfigProblem("accessKeyId and secretAccessKey belong together", "accessKeyId")])
        await super().configure(config)
        self._region = self._find_region(config)
        if not self.base_url:
            suffix = next((end for start, end in _SUFFIXES.items() if self._region.startswith(start)), "amazonaws.com")
            self.base_url = self.settings.base_url = f"https://{self.host}.{self._region}.{suffix}"
        self._source = self._find_source(config)

    def read_settings(self, config: Mapping[str, Any]) -> HTTPSettings:
        settings = super().read_settings(config)
        if config.get("accessKeyId"):
            settings.api_key = None
        return settings

    def _find_region(self, config: Mapping[str, Any]) -> str:
        if config.get("region"):
            return str(config["region"])
        match = re.match(rf"https://{re.escape(self.host)}(?:-fips)?\.([a-z0-9-]+)\.", self.base_url)
        if match is not None:
            return match[1]
        if self.base_url and self._bearer(config):
            return ""  # nothing asks for it
        region = _region_of_session(config.get("profile"))
        if region is None:
            message = "region is not written, and the environment names none; write `region`, or set AWS_REGION"
            raise ConfigError([ConfigProblem(message, "region")])
        return region

    def _find_source(self, config: Mapping[str, Any]) -> CredentialSource | None:
        if self._bearer(config):
            return None
        if config.get("accessKeyId"):
            return FixedCredentials(config["accessKeyId"], config["secretAccessKey"], config.get("sessionToken"))
        session = SessionCredentials(config.get("profile"))
        self.use_tokens(session.fetch)
        return session

    def _bearer(self, config: Mapping[str, Any]) -> bool:
        by_token = self.settings.credentials == "client" or self.tokens is not None
        return by_token or bool(self.settings.api_key)

    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        """Signs last, when address, headers and body are what they will be."""
        method, url, headers, body = super().prepare(wire)
        if self._source is not None:
            credentials = self._source.current()
            signed = sign(
                method, url, headers, body, credentials=credentials, region=self._region, service=self.service
            )
            for name, value in signed:
                headers.set(name, value)
        return method, url, headers, body

    def secrets(self) -> tuple[str, ...]:
        known = self._source.known() if self._source is not None else ()
        return tuple(dict.fromkeys(super().secrets() + known))

    def authorize_by_token(self, headers: Headers, token: str) -> None:
        """Keys are not sent: they sign."""
        if self._source is None:
            super().authorize_by_token(headers, token)


def _region_of_session(profile: str | None) -> str | None:
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

    try:
        return session_region(profile)
    except BotoCoreError as error:
        raise ConfigError([ConfigProblem(str(error), "profile")]) from None
