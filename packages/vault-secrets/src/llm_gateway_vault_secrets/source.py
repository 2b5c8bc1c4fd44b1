"""`${vault:path#key}`: HashiCorp Vault and OpenBao by hvac.

`path` is that of `vault kv get`: the mount and what is below it. Address, token and namespace are taken from
VAULT_ADDR, VAULT_TOKEN
(or the file ~/.vault-token) and VAULT_NAMESPACE, as Vault's own tools take them; an application logs in
by VAULT_ROLE_ID and VAULT_SECRET_ID, a pod by VAULT_K8S_ROLE and its service account's token.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import hvac  # type: ignore[import-untyped]
import requests
from hvac.exceptions import Forbidden, InvalidPath, VaultError  # type: ignore[import-untyped]

from llm_gateway_sdk.secret_source import SecretSource, SecretUnavailable, split_reference

__all__ = ["VaultSecrets"]

_SECONDS = 5
_POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


class VaultSecrets(SecretSource):
    name: ClassVar[str] = "vault"

    def __init__(self) -> None:
        self._client: Any = None

    def read(self, reference: str) -> str:
        path, key = split_reference(reference)
        path = path.strip("/")
        if key is None:
            raise SecretUnavailable("write the key as well: ${vault:path#key}")
        is_new = self._client is None
        try:
            return self._read(path, key)
        except InvalidPath:
            raise SecretUnavailable(f"{_address()} has no secret {path}") from None
        except Forbidden:
            self._client = None  # its token may have ended
            if not is_new:
                return self.read(reference)
            raise SecretUnavailable(f"{_address()} does not allow to read {path}") from None
        except (VaultError, requests.RequestException) as error:
            raise SecretUnavailable(f"{_address()} can't be reached: {type(error).__name__}") from None

    def _read(self, path: str, key: str) -> str:
        if self._client is None:
            self._client = _logged_in()
        found = self._client.read(self._api_path(path))
        if found is None:
            raise InvalidPath
        data = found.get("data") or {}
        if "metadata" in data and isinstance(data.get("data"), dict):
            data = data["data"]  # version 2 of the engine
        if key not in data:
            raise SecretUnavailable(f"the secret {path} has no key '{key}'")
        return str(data[key])

    def _api_path(self, path: str) -> str:
        """The path in the API: version 2 of the key-value engine has `data/` after the mount."""
        try:
            mount = self._client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}")["data"]
        except (VaultError, KeyError, TypeError):
            return path
        prefix = str(mount.get("path", ""))
        second = str((mount.get("options") or {}).get("version", "")) == "2"
        below = path.removeprefix(prefix)
        return f"{prefix}data/{below}" if second and not below.startswith("data/") else path


def _logged_in() -> Any:
    client = hvac.Client(url=_address(), namespace=os.environ.get("VAULT_NAMESPACE"), timeout=_SECONDS)
    role, secret = os.environ.get("VAULT_ROLE_ID"), os.environ.get("VAULT_SECRET_ID")
    if role and secret:
        client.auth.approle.login(role_id=role, secret_id=secret)
    elif pod := os.environ.get("VAULT_K8S_ROLE"):
        try:
            token = Path(os.environ.get("VAULT_K8S_TOKEN_FILE", _POD_TOKEN)).read_text().strip()
        except OSError as error:
            raise SecretUnavailable(f"the service account's token can't be read: {error.strerror}") from None
        client.auth.kubernetes.login(role=pod, jwt=token)
    if not client.token:
        raise SecretUnavailable("VAULT_TOKEN is not set, nor VAULT_ROLE_ID and VAULT_SECRET_ID, nor VAULT_K8S_ROLE")
    return client


def _address() -> str:
    return os.environ.get("VAULT_ADDR") or "https://127.0.0.1:8200"
