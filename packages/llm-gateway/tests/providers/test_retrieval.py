"""Vendors of embeddings and rerank alone."""

from __future__ import annotations

import asyncio

import jsonschema
import pytest

from llm_gateway.extensions import installed
from llm_gateway.providers.retrieval import JinaProvider, VoyageProvider
from llm_gateway_sdk import Headers, HTTPProvider, WireRequest

VENDORS = pytest.mark.parametrize("cls", [JinaProvider, VoyageProvider], ids=lambda cls: cls.name)


@VENDORS
def test_a_vendor_is_installed_with_a_form_per_operation(cls: type[HTTPProvider]) -> None:
    assert installed().get("provider", cls.name).cls is cls
    assert [(form.name, form.operation) for form in cls.forms] == [(cls.name, "embed"), (cls.name, "rerank")]


@VENDORS
def test_a_call_goes_to_the_vendor_with_the_key(cls: type[HTTPProvider]) -> None:
    config = {"apiKey": "k"}
    jsonschema.validate(config, cls.configuration_schema)
    provider = cls()
    asyncio.run(provider.configure(config))

    _, url, headers, _ = provider.prepare(WireRequest("POST", "/embeddings", headers=Headers(), body=b"{}"))

    assert url == f"{cls.default_base_url}/embeddings"
    assert headers.get("authorization") == "Bearer k"


@VENDORS
@pytest.mark.parametrize("config", [{"apikey": "k"}, {"baseUrl": 1}], ids=["case", "type"])
def test_settings_that_no_vendor_has_are_refused(cls: type[HTTPProvider], config: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, cls.configuration_schema)
