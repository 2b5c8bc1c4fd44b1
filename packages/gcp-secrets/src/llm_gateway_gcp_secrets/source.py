"""`${gcp-sm:name}`: Google Secret Manager by google-cloud-secret-manager.

`name` is `projects/P/secrets/S`, with `/versions/V` where it is not the latest, or the secret's name alone in the
project of GOOGLE_CLOUD_PROJECT; `#key` takes one member of a JSON object. Credentials are those of google-auth's own
chain.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from google.api_core.exceptions import GoogleAPIError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import secretmanager
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceRestTransport

from llm_gateway_sdk.secret_source import SecretSource, SecretUnavailable, member, split_reference

__all__ = ["GoogleSecrets"]

_SECONDS = 5.0


class GoogleSecrets(SecretSource):
    name: ClassVar[str] = "gcp-sm"

    def __init__(self) -> None:
        self._client: Any = None

    def read(self, reference: str) -> str:
        written, key = split_reference(reference)
        name = _resource(written)
        try:
            if self._client is None:
                self._client = _client()
            found = self._client.access_secret_version(name=name, timeout=_SECONDS, retry=None)
            text = found.payload.data.decode()
        except GoogleAPIError as error:
            words = getattr(error, "reason", None) or type(error).__name__
            raise SecretUnavailable(f"Google Secret Manager answered {words}") from None
        except GoogleAuthError as error:
            raise SecretUnavailable(f"no credential of Google Cloud: {type(error).__name__}") from None
        except UnicodeDecodeError:
            raise SecretUnavailable("the secret is not text") from None
        except OSError as error:  # what `requests` raises where there is no connection
            raise SecretUnavailable(f"Google Secret Manager can't be reached: {type(error).__name__}") from None
        return member(text, key)


def _resource(written: str) -> str:
    if not written.startswith("projects/"):
        project = os.environ.get("GOOGLE_CLOUD_PROJECT") or os.environ.get("GCLOUD_PROJECT")
        if not project:
            raise SecretUnavailable("write projects/PROJECT/secrets/NAME, or set GOOGLE_CLOUD_PROJECT")
        written = f"projects/{project}/secrets/{written}"
    return written if "/versions/" in written else f"{written}/versions/latest"


def _client() -> Any:
    """SECRET_MANAGER_EMULATOR_HOST leads to an emulator, without encryption and credentials."""
    emulator = os.environ.get("SECRET_MANAGER_EMULATOR_HOST")
    if not emulator:
        return secretmanager.SecretManagerServiceClient(transport="rest")
    transport = SecretManagerServiceRestTransport(host=emulator, credentials=AnonymousCredentials(), url_scheme="http")
    return secretmanager.SecretManagerServiceClient(transport=transport)
