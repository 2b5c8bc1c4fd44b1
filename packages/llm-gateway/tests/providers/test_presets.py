"""Servers that speak OpenAI's API, by name."""

from __future__ import annotations

import pytest
from openai_calls import made

from llm_gateway.extensions import installed
from llm_gateway.providers.presets import PRESETS
from llm_gateway_sdk import Losses, Message, TextPart
from llm_gateway_sdk.request import LLMRequest
from llm_gateway_sdk.wire import json


def test_every_preset_is_installed_by_its_name() -> None:
    names = installed().names("provider")

    assert {"openai", "azure-openai", *PRESETS} <= set(names)
    for name, preset in PRESETS.items():
        assert installed().get("provider", name).cls is preset
        assert preset.name == name


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_can_be_configured_and_speaks_chat(name: str) -> None:
    from llm_gateway.dialects.openai_chat import OpenAIChat

    provider = made(PRESETS[name], model="m")
    request = LLMRequest(messages=[Message("user", [TextPart("Hello.")])], max_tokens=10, stream=True)

    wire = OpenAIChat().encode_request(request, provider.target("m", "openai_chat"), Losses())

    assert provider.url(wire) == f"{PRESETS[name].default_base_url}/chat/completions"
    assert json.loads(wire.body)["messages"] == [{"role": "user", "content": "Hello."}]


def test_a_model_s_own_quirks_go_before_the_preset_s() -> None:
    provider = made(PRESETS["mistral"], quirks={"no_stream_options": False})

    assert provider.target("m", "openai_chat").quirks["no_stream_options"] is False
    assert provider.target("m", "openai_chat").quirks["seed_field"] == "random_seed"
