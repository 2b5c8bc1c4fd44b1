"""`auth: {type: entra}`: tokens of Entra ID by azure-identity, as an application or as the machine that this runs on.

azure-identity waits for its answers; it is called in a separate thread, next to requests that go on with the present
token.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from azure.core.exceptions import AzureError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from llm_gateway_sdk.credential_kinds import CredentialKind
from llm_gateway_sdk.credentials import Token
from llm_gateway_sdk.errors import ConfigError, ConfigProblem
from llm_gateway_sdk.own_thread import OwnThread

__all__ = ["EntraCredential"]

COGNITIVE_SERVICES = "https://cognitiveservices.azure.com/.default"
_VARIABLES = {
    "tenantId": "AZURE_TENANT_ID",
    "clientId": "AZURE_CLIENT_ID",
    "tokenFile": "AZURE_FEDERATED_TOKEN_FILE",
}
"""What the workload identity webhook sets, in place of what is not written."""
_KEPT_SECONDS = 330.0
"""azure-identity gives a token again that lasts longer than 300 seconds."""
_WAITING: Mapping[str, Any] = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 1}
"""azure-core's own are 300 seconds, four times: an endpoint that is well again would not be asked for so long."""


class EntraCredential(CredentialKind):
    """`method` names the way; without it, it follows from what is set: `clientSecret`, `certificateFile`, `tokenFile`,
    and where none of these is, azure-identity's own chain."""

    name = "entra"
    configuration_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "method": {"enum": ["secret", "certificate", "managed-identity", "workload-identity", "default"]},
            "tenantId": {"type": "string"},
            "clientId": {"type": "string"},
            "clientSecret": {"type": "string"},
            "certificateFile": {"type": "string"},
            "certificatePassword": {"type": "string"},
            "tokenFile": {"type": "string"},
            "scope": {"type": "string"},
            "authority": {"type": "string"},
            "caFile": {"type": "string"},
        },
    }

    def configure(self, config: Mapping[str, Any], base_url: str) -> None:
        self._scope = str(config.get("scope") or COGNITIVE_SERVICES)
        method = config.get("method") or _method_of(config)
        options: dict[str, Any] = dict(_WAITING)
        self._thread = OwnThread("entra-credential")
        self._last = ""
        if config.get("authority"):
            # Another authority than Microsoft's clouds is not known to the discovery of instances.
            options.update(authority=config["authority"], disable_instance_discovery=True)
        if config.get("caFile"):
            options["connection_verify"] = config["caFile"]
        try:
            self._make: Callable[[], Any] = lambda: _MAKERS[method](config, dict(options))
            self._credential = self._make()
        except (ValueError, OSError, AzureError) as error:
            raise ConfigError([ConfigProblem(_first_line(error), _BLAMED.get(method, "auth"))]) from None

    async def fetch(self) -> Token:
        return await self._thread.run(self._fetch)

    def _fetch(self) -> Token:
        try:
            token = self._credential.get_token(self._scope)
            if token.token == self._last and token.expires_on - time.time() > _KEPT_SECONDS:
                # It was refused, for else no other would be wanted yet, and this credential would keep it to its end.
                self._credential.close()
                self._credential = self._make()
                token = self._credential.get_token(self._scope)
        except AzureError as error:
            raise ValueError(_first_line(error)) from None
        self._last = token.token
        return Token(token.token, float(token.expires_on))

    async def close(self) -> None:
        await self._thread.run(self._credential.close)


def _method_of(config: Mapping[str, Any]) -> str:
    for key, method in (
        ("clientSecret", "secret"),
        ("certificateFile", "certificate"),
        ("tokenFile", "workload-identity"),
    ):
        if config.get(key):
            return method
    return "default"


def _needed(config: Mapping[str, Any], *keys: str) -> list[str]:
    """The values of settings that a method can't do without, or of the environment variables used in their place."""
    found = {key: config.get(key) or os.environ.get(_VARIABLES.get(key, ""), "") for key in keys}
    missing = [key for key, value in found.items() if not value]
    if missing:
        raise ConfigError([ConfigProblem("is missing", f"auth.{key}") for key in missing])
    return [str(value) for value in found.values()]


def _by_secret(config: Mapping[str, Any], options: dict[str, Any]) -> Any:
    tenant, client, secret = _needed(config, "tenantId", "clientId", "clientSecret")
    return ClientSecretCredential(tenant, client, secret, **options)


def _by_certificate(config: Mapping[str, Any], options: dict[str, Any]) -> Any:
    tenant, client, file = _needed(config, "tenantId", "clientId", "certificateFile")
    password = config.get("certificatePassword")
    return CertificateCredential(tenant, client, file, password=password, **options)


def _by_machine(config: Mapping[str, Any], options: dict[str, Any]) -> Any:
    options.pop("authority", None)
    options.pop("disable_instance_discovery", None)
    client = config.get("clientId")
    return ManagedIdentityCredential(client_id=client, **options) if client else ManagedIdentityCredential(**options)


def _by_workload(config: Mapping[str, Any], options: dict[str, Any]) -> Any:
    tenant, client, file = _needed(config, "tenantId", "clientId", "tokenFile")
    return WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=file, **options)


def _by_chain(config: Mapping[str, Any], options: dict[str, Any]) -> Any:
    client = config.get("clientId")
    if client:
        options.update(managed_identity_client_id=client, workload_identity_client_id=client)
    return DefaultAzureCredential(exclude_interactive_browser_credential=True, **options)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], dict[str, Any]], Any]] = {
    "secret": _by_secret,
    "certificate": _by_certificate,
    "managed-identity": _by_machine,
    "workload-identity": _by_workload,
    "default": _by_chain,
}
_BLAMED = {"certificate": "auth.certificateFile", "workload-identity": "auth.tokenFile"}


def _first_line(error: Exception) -> str:
    """What azure-identity reports, without the many lines on where else it has looked."""
    return str(error).strip().partition("\n")[0][:300]
