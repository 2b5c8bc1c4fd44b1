"""Every quirk that the code asks for is declared, and every declared one is asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import llm_gateway
import llm_gateway_sdk
from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway.providers.anthropic import AnthropicProvider
from llm_gateway.providers.azure import AzureOpenAIProvider
from llm_gateway.providers.presets import PRESETS
from llm_gateway_sdk import Dialect

_READ = re.compile(r'quirks(?:\.get\(|\[|\s+and\s+[\w.]*quirks\.get\()\s*"([a-z_]+)"|"([a-z_]+)" in [\w.]*quirks')
_SHARED = Path(llm_gateway_sdk.__file__).parent / "dialects" / "model_limits.py"


def asked_for(*files: Path) -> set[str]:
    return {first or second for file in files for first, second in _READ.findall(file.read_text())}


@pytest.mark.parametrize("dialect", [OpenAIChat, OpenAIResponses, Anthropic])
def test_declared_is_what_the_dialect_asks_for(dialect: type[Dialect]) -> None:
    folder = Path(llm_gateway.__file__).parent / "dialects" / dialect.name
    shared = asked_for(_SHARED) if dialect is Anthropic else set()

    # The exchange asks for this one.
    assert asked_for(*folder.glob("*.py")) | shared == set(dialect.quirks) - {"for_same_dialect"}


def test_presets_have_quirks_that_exist() -> None:
    for preset in PRESETS.values():
        assert set(preset.quirks) <= set(OpenAIChat.quirks)


@pytest.mark.parametrize("provider", [AnthropicProvider, AzureOpenAIProvider, *PRESETS.values()])
def test_a_misspelt_quirk_is_not_a_setting_of_a_provider(provider: type) -> None:
    schema = provider.configuration_schema["properties"]["quirks"]  # type: ignore[attr-defined]

    assert schema["additionalProperties"] is False
    assert schema["properties"]
