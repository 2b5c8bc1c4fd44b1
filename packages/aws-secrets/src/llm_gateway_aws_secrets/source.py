"""`${aws-sm:name#key}`: AWS Secrets Manager by boto3.

`name` is the secret's name or ARN, `key` one of its JSON object; without a key the secret is taken as it is. Region and
credentials are those of boto3's own chain.
"""

from __future__ import annotations

from typing import Any, ClassVar

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from llm_gateway_sdk.secret_source import SecretSource, SecretUnavailable, member, split_reference

__all__ = ["AWSSecrets"]


class AWSSecrets(SecretSource):
    name: ClassVar[str] = "aws-sm"

    def __init__(self) -> None:
        self._client: Any = None

    def read(self, reference: str) -> str:
        name, key = split_reference(reference)
        try:
            if self._client is None:
                limits = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
                self._client = boto3.client("secretsmanager", config=limits)
            found = self._client.get_secret_value(SecretId=name)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise SecretUnavailable(f"AWS Secrets Manager answered {code}") from None
        except BotoCoreError as error:
            raise SecretUnavailable(f"AWS Secrets Manager can't be reached: {type(error).__name__}") from None
        text = found.get("SecretString")
        if text is None:
            try:
                text = found["SecretBinary"].decode()
            except (KeyError, UnicodeDecodeError):
                raise SecretUnavailable("the secret is not text") from None
        return member(text, key)
