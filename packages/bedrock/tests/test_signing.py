"""AWS credentials and signatures."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
from llm_gateway_bedrock.signing import FixedCredentials, SessionCredentials, session_region, sign

from llm_gateway_sdk import Headers, ModelError

URL = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m%3A0/converse"


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without credentials but those of the file that is returned."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
                 "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                 "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "credentials"


def written(file: Path, secret: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = AKID\naws_secret_access_key = {secret}\n")


def test_a_signed_request_names_key_region_and_service() -> None:
    headers = Headers.of([("content-type", "application/json"), ("x-other", "1")])
    signed = dict(
        sign(
            "POST",
            URL,
            headers,
            b"{}",
            credentials=FixedCredentials("AKID", "s").current(),
            region="eu-west-1",
            service="bedrock",
        )
    )

    assert set(signed) == {"authorization", "x-amz-date"}
    assert "Credential=AKID/" in signed["authorization"]
    assert "/eu-west-1/bedrock/aws4_request" in signed["authorization"]
    # What an HTTP client adds or changes on the way can't break the signature.
    assert "SignedHeaders=content-type;host;x-amz-date" in signed["authorization"]


def test_a_temporary_key_sends_its_token() -> None:
    credentials = FixedCredentials("AKID", "s", "token").current()
    signed = dict(sign("POST", URL, Headers(), b"{}", credentials=credentials, region="eu-west-1", service="bedrock"))

    assert signed["x-amz-security-token"] == "token"


@pytest.mark.parametrize(("token", "known"), [(None, ("s",)), ("t", ("s", "t"))])
def test_secrets_that_may_not_be_shown_are_known(token: str | None, known: tuple[str, ...]) -> None:
    source = FixedCredentials("AKID", "s", token)

    assert source.known() == known


def test_credentials_of_a_session_are_those_of_the_last_fetch(aws: Path) -> None:
    source = SessionCredentials()
    written(aws, "one")
    with pytest.raises(ModelError) as caught:
        source.current()
    assert (source.known(), caught.value.code) == ((), "provider_credential_unavailable")

    token = asyncio.run(source.fetch())

    first = source.current()
    assert (first.access_key, first.secret_key, source.known()) == ("AKID", "one", ("one",))
    assert (token.value, token.expires) == ("one", None)


def test_temporary_credentials_have_an_end(aws: Path) -> None:
    program = aws.parent / "program"
    issued = {"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t"}
    program.write_text(json.dumps({**issued, "Expiration": "2099-01-01T00:00:00Z"}))
    (aws.parent / "config").write_text(f"[profile p]\ncredential_process = cat {program}\n")
    source = SessionCredentials("p")

    token = asyncio.run(source.fetch())

    assert (token.value, token.expires, source.known()) == ("t", 4070908800.0, ("s", "t"))


def test_without_credentials_the_error_names_what_to_write(aws: Path) -> None:
    with pytest.raises(ValueError, match="none were found: write accessKeyId"):
        asyncio.run(SessionCredentials().fetch())


def test_an_unknown_profile_is_reported_as_one(aws: Path) -> None:
    with pytest.raises(BotoCoreError, match="absent"):
        asyncio.run(SessionCredentials("absent").fetch())


def test_the_region_is_the_one_of_the_profile(aws: Path) -> None:
    assert session_region(None) is None
    (aws.parent / "config").write_text("[default]\nregion = eu-west-1\n[profile other]\nregion = us-east-2\n")

    assert (session_region(None), session_region("other")) == ("eu-west-1", "us-east-2")
