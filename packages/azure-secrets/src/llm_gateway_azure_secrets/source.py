"""`${azure-kv:name}`: Azure Key Vault by azure-keyvault-secrets.

`name` is a secret of the vault whose address is in AZURE_KEYVAULT_URL, or `vault/name` for the vault of that name;
`name/version` and `vault/name/version` ask for a version, `#key` for one member of a JSON object. Credentials are those
of azure-identity's own chain.
"""

from __future__ import annotations

import os
import re
from typing import Any, ClassVar

from azure.core.exceptions import AzureError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from llm_gateway_sdk.secret_source import SecretSource, SecretUnavailable, member, split_reference

__all__ = ["AzureSecrets"]

_VERSION = re.compile(r"[0-9a-f]{32}")


class AzureSecrets(SecretSource):
    name: ClassVar[str] = "azure-kv"

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}

    def read(self, reference: str) -> str:
        written, key = split_reference(reference)
        vault, name, version = _parts(written)
        try:
            found = self._client(vault).get_secret(name, version)
        except HttpResponseError as error:
            words = getattr(error.error, "code", None) or error.status_code
            raise SecretUnavailable(f"{vault} answered {words}") from None
        except AzureError as error:
            raise SecretUnavailable(f"{vault} can't be reached: {type(error).__name__}") from None
        except ValueError:
            raise SecretUnavailable(f"{vault} is not the address of a vault") from None
        if found.value is None:
            raise SecretUnavailable("the secret has no value")
        return member(found.value, key)

    def _client(self, vault: str) -> Any:
        if vault not in self._clients:
            credential = DefaultAzureCredential(exclude_interactive_browser_credential=True)
            # An address that is not below Azure's own domain was written by the operator.
            known = vault.endswith((".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net"))
            self._clients[vault] = SecretClient(
                vault, credential, verify_challenge_resource=known, connection_timeout=3, read_timeout=5, retry_total=1
            )
        return self._clients[vault]


def _parts(written: str) -> tuple[str, str, str | None]:
    """(address of the vault, name, version)."""
    parts = written.strip("/").split("/")
    version = parts.pop() if len(parts) > 1 and _VERSION.fullmatch(parts[-1]) else None
    if len(parts) == 1:
        vault = (os.environ.get("AZURE_KEYVAULT_URL") or "").rstrip("/")
        if not vault:
            raise SecretUnavailable("write vault/name, or set AZURE_KEYVAULT_URL")
        return vault, parts[0], version
    if len(parts) != 2:
        raise SecretUnavailable("expected name, or vault/name")
    return f"https://{parts[0]}.vault.azure.net", parts[1], version
