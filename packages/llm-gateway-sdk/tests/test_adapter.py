"""Adapters: what one that overrides nothing does, and routes as values."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from llm_gateway_sdk import Adapter, ModelEntry, Route, WireRequest


class Bare(Adapter):
    name: ClassVar[str] = "bare"
    dialect: ClassVar[str] = "openai_chat"


def test_it_takes_its_settings_and_claims_nothing() -> None:
    adapter, config = Bare(), {"a": 1}
    adapter.configure(config)

    assert adapter.config is config
    assert adapter.claims(WireRequest("GET", "/v1/models")) is False
    assert list(adapter.routes) == []


def test_lists_and_counts_have_a_vendors_shape_or_none() -> None:
    with pytest.raises(NotImplementedError):
        Bare().list_models([ModelEntry("m")], WireRequest("GET", "/v1/models"))
    with pytest.raises(NotImplementedError):
        Bare().estimate_reply(3)


@pytest.mark.parametrize(
    ("value", "name"),
    [(Route("GET", "/x", "models", "openai_chat"), "path"), (ModelEntry("m"), "name")],
    ids=["route", "model"],
)
def test_values_cannot_be_changed(value: Any, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, name, "other")
