"""Every quirk that the code asks for is declared, and every declared one is asked for."""

from __future__ import annotations

import re
from pathlib import Path

import llm_gateway_bedrock
from llm_gateway_bedrock import Bedrock
from llm_gateway_bedrock.provider import BedrockProvider

import llm_gateway_sdk

_READ = re.compile(r'quirks(?:\.get\(|\[)\s*"([a-z_]+)"')


def test_declared_is_what_is_asked_for() -> None:
    files = [*Path(llm_gateway_bedrock.__file__).parent.glob("*.py")]
    if Bedrock.name == "bedrock":
        files.append(Path(llm_gateway_sdk.__file__).parent / "dialects" / "model_limits.py")

    assert {name for file in files for name in _READ.findall(file.read_text())} == set(Bedrock.quirks)


def test_a_misspelt_quirk_is_not_a_setting() -> None:
    schema = BedrockProvider.configuration_schema["properties"]["quirks"]

    assert schema["additionalProperties"] is False
    assert set(Bedrock.quirks) <= set(schema["properties"])
