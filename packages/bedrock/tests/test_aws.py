"""Region, address and signature of providers on AWS."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_gateway_bedrock import BedrockProvider, SageMakerProvider
from llm_gateway_bedrock.aws import AWSProvider

from llm_gateway_sdk import ConfigError

KEYS = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "secret"}


def configured(kind: type[AWSProvider], **config: Any) -> AWSProvider:
    provider = kind()
    asyncio.run(provider.configure({**KEYS, **config}))
    return provider


@pytest.mark.parametrize(
    ("kind", "region", "address"),
    [
        (BedrockProvider, "eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        (BedrockProvider, "cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        (SageMakerProvider, "us-east-1", "https://runtime.sagemaker.us-east-1.amazonaws.com"),
    ],
    ids=["bedrock", "china", "sagemaker"],
)
def test_the_address_follows_the_region(kind: type[AWSProvider], region: str, address: str) -> None:
    assert configured(kind, region=region).base_url == address


def test_the_region_follows_the_address() -> None:
    provider = configured(SageMakerProvider, baseUrl="https://runtime.sagemaker-fips.us-gov-west-1.amazonaws.com")

    assert provider._region == "us-gov-west-1"


def test_half_a_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        configured(SageMakerProvider, region="us-east-1", secretAccessKey="")
