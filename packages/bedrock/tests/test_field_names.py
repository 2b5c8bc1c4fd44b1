"""Losses and errors name the fields of Converse requests as the API calls them."""

from __future__ import annotations

import pytest
from llm_gateway_bedrock.field_names import FIELD_NAMES, REPLY_FIELD_NAMES


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("max_tokens", "inferenceConfig.maxTokens"),
        ("metadata", "requestMetadata"),
        ("tools[*].strict", "toolConfig.tools[*].toolSpec.strict"),
        ("messages[*].results[*].content[*].json", "messages[*].content[*].toolResult.content[*].json"),
        ("system.content[*].cache", "system[*].cachePoint"),
    ],
)
def test_a_field_has_the_name_of_its_api(path: str, own: str) -> None:
    assert FIELD_NAMES.spell(path) == own


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("choices[*].additionalModelResponseFields", "additionalModelResponseFields"),
        ("choices[*].message.image[*].data", "output.message.content[*].image"),
        ("usage.cache_write_tokens", "usage.cacheWriteInputTokens"),
    ],
)
def test_a_field_of_a_reply_has_the_name_of_its_api(path: str, own: str) -> None:
    assert REPLY_FIELD_NAMES.spell(path) == own
