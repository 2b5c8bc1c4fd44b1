"""The provider type `bedrock`: addresses, credentials, signatures."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema
import pytest
from llm_gateway_bedrock import Bedrock, BedrockProvider

from llm_gateway_sdk import ConfigError, Headers, WireRequest
from llm_gateway_sdk.credentials import CredentialUnavailable

KEYS = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "secret", "region": "eu-central-1"}
WIRE = WireRequest(
    "POST", "/model/amazon.nova-lite-v1%3A0/converse", "", Headers([("content-type", "application/json")])
)


def configured(**config: Any) -> BedrockProvider:
    jsonschema.validate(config, BedrockProvider.configuration_schema)
    provider = BedrockProvider()
    asyncio.run(provider.configure(config))
    return provider


def prepare(provider: BedrockProvider, body: bytes = b'{"a": 1}') -> tuple[str, str, Headers, bytes]:
    return provider.prepare(WireRequest(WIRE.method, WIRE.path, "", WIRE.headers.copy(), body))


def signature_of(secret: str, method: str, url: str, headers: Headers, body: bytes) -> str:
    """Signature Version 4 by AWS's document, step by step."""
    _, _, rest = (headers.get("authorization") or "").partition(" ")
    fields = dict(field.split("=", 1) for field in rest.split(", "))
    _, day, region, service, end = fields["Credential"].split("/")
    address = urlsplit(url)
    values = {"host": address.netloc}
    signed = fields["SignedHeaders"].split(";")
    lines = [f"{name}:{values.get(name) or headers.get(name)}" for name in signed]
    # All services but S3 have their path, as it is sent, encoded once more.
    canonical = [method, quote(address.path, safe="/-_.~"), address.query, *lines, "", ";".join(signed)]
    request = "\n".join([*canonical, hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/{service}/{end}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers.get("x-amz-date") or "", scope, digest])
    key = f"AWS4{secret}".encode()
    for step in (day, region, service, end):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    assert fields["Signature"] == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return scope


def test_a_request_is_signed_over_what_is_sent() -> None:
    provider = configured(**KEYS, sessionToken="token", headers={"x-extra": "1"})

    method, url, headers, body = prepare(provider)

    assert url == "https://bedrock-runtime.eu-central-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse"
    assert signature_of("secret", method, url, headers, body).endswith("/eu-central-1/bedrock/aws4_request")
    assert headers.get("x-amz-security-token") == "token"
    assert headers.get("x-extra") == "1"
    assert set(provider.secrets()) == {"secret", "token"}


def test_another_address_keeps_the_region_that_signs() -> None:
    provider = configured(**KEYS, baseUrl="http://127.0.0.1:8080/")

    method, url, headers, body = prepare(provider)

    assert url == "http://127.0.0.1:8080/model/amazon.nova-lite-v1%3A0/converse"
    signature_of("secret", method, url, headers, body)


def test_an_api_key_is_a_bearer_token_and_nothing_is_signed() -> None:
    provider = configured(apiKey="bedrock-key", region="us-west-2")

    _, url, headers, _ = prepare(provider)

    assert url.startswith("https://bedrock-runtime.us-west-2.amazonaws.com/")
    assert headers.get("authorization") == "Bearer bedrock-key"
    assert "x-amz-date" not in headers
    assert provider.secrets() == ("bedrock-key",)


def test_who_writes_both_means_to_sign() -> None:
    headers = prepare(configured(**KEYS, apiKey="key"))[2]

    assert (headers.get("authorization") or "").startswith("AWS4-HMAC-SHA256 ")


def test_a_callers_own_credential_is_left_alone() -> None:
    provider = configured(credentials="client", region="us-east-1")
    wire = WireRequest("POST", WIRE.path, "", Headers([("authorization", "Bearer theirs")]), b"{}")

    assert provider.prepare(wire)[2].items == [("authorization", "Bearer theirs")]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "bedrock-runtime.us-east-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_address_follows_the_region(region: str, host: str) -> None:
    assert urlsplit(configured(**{**KEYS, "region": region}).base_url).netloc == host


def test_the_region_may_be_in_the_address() -> None:
    provider = configured(
        accessKeyId="a", secretAccessKey="b", baseUrl="https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"
    )

    assert "/us-gov-west-1/bedrock/" in (prepare(provider)[2].get("authorization") or "")


def test_half_a_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        configured(accessKeyId="a", region="us-east-1")


@pytest.fixture
def shared_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AWS environment of our own: no variables, no instance roles, files in a folder."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_a_profile_gives_region_and_keys(shared_files: Path) -> None:
    (shared_files / "config").write_text("[profile work]\nregion = ap-south-1\n")
    (shared_files / "credentials").write_text("[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = hush\n")

    provider = configured(profile="work")
    assert provider.tokens is not None
    asyncio.run(provider.tokens.ready())
    _, url, headers, _ = prepare(provider)

    assert "ap-south-1" in url
    assert "Credential=AKIAWORK/" in (headers.get("authorization") or "")
    assert provider.secrets() == ("hush",)
    asyncio.run(provider.close())


def test_without_any_region_the_configuration_is_refused(shared_files: Path) -> None:
    with pytest.raises(ConfigError, match="region is not written"):
        configured()


def test_an_unknown_profile_is_refused_by_its_name(shared_files: Path) -> None:
    with pytest.raises(ConfigError, match="nobody"):
        configured(profile="nobody")


def test_without_credentials_the_log_names_the_setting(shared_files: Path, caplog: pytest.LogCaptureFixture) -> None:
    provider = configured(region="us-east-1")
    assert provider.tokens is not None

    with pytest.raises(CredentialUnavailable) as caught:
        asyncio.run(provider.tokens.ready())

    assert (caught.value.status, caught.value.retryable) == (502, False)
    assert "accessKeyId" in caplog.text
    asyncio.run(provider.close())


def test_botocore_is_loaded_only_where_it_is_needed() -> None:
    code = (
        "import asyncio, sys, llm_gateway_bedrock as b; p = b.BedrockProvider(); "
        "asyncio.run(p.configure({'apiKey': 'k', 'region': 'us-east-1'})); "
        "sys.exit(any(name.startswith('botocore') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("group", "found"), [("dialects", Bedrock), ("providers", BedrockProvider)])
def test_it_is_found_by_its_entry_points(group: str, found: type) -> None:
    (entry,) = entry_points(group=f"llm_gateway.{group}", name="bedrock")

    assert entry.load() is found
