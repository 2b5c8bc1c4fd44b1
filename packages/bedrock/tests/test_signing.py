"""AWS credentials and signatures."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
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
    source.close()

    assert source.known() == known


def test_credentials_of_a_session_are_loaded_once_and_looked_at_again(aws: Path) -> None:
    now = [0.0]
    source = SessionCredentials(clock=lambda: now[0])
    written(aws, "one")
    try:
        assert source.known() == ()
        first = source.current()
        assert (first.access_key, first.secret_key, source.known()) == ("AKID", "one", ("one",))
        now[0] = 30.0
        assert source.current() is first
    finally:
        source.close()


def test_without_credentials_the_request_fails_as_the_gateways_fault(aws: Path) -> None:
    source = SessionCredentials(clock=lambda: 0.0)
    try:
        with pytest.raises(ModelError, match="No AWS credentials were found") as caught:
            source.current()
    finally:
        source.close()

    assert (caught.value.status, caught.value.code, caught.value.retryable) == (
        502, "provider_credential_unavailable", False,
    )  # fmt: skip


def test_an_unknown_profile_is_reported_as_one(aws: Path) -> None:
    source = SessionCredentials("absent", clock=lambda: 0.0)
    try:
        with pytest.raises(ModelError, match=r"could not be loaded: .*absent"):
            source.current()
    finally:
        source.close()


def test_a_renewal_that_takes_long_holds_up_no_request(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, may_end = [0.0], threading.Event()
    source = SessionCredentials(clock=lambda: now[0])
    written(aws, "one")
    load = source._load

    def slow() -> Any:
        may_end.wait(10)
        load()

    try:
        first = source.current()
        monkeypatch.setattr(source, "_load", slow)
        now[0] = 61.0
        assert source.current() is first
        may_end.set()
    finally:
        may_end.set()
        source.close()


def test_the_region_is_the_one_of_the_profile(aws: Path) -> None:
    assert session_region(None) is None
    (aws.parent / "config").write_text("[default]\nregion = eu-west-1\n[profile other]\nregion = us-east-2\n")

    assert (session_region(None), session_region("other")) == ("eu-west-1", "us-east-2")
