"""Losses and errors name the fields of Gemini requests as the API calls them."""

from __future__ import annotations

import pytest
from llm_gateway_gemini.field_names import FIELD_NAMES, REPLY_FIELD_NAMES


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("top_k", "generationConfig.topK"),
        ("reasoning.budget_tokens", "generationConfig.thinkingConfig.thinkingBudget"),
        ("messages[*].calls[*].call.partialArgs", "contents[*].parts[*].functionCall.partialArgs"),
        ("system.content[*]", "systemInstruction.parts[*]"),
        ("tools[*].declaration.behavior", "tools[*].functionDeclarations[*].behavior"),
        ("generationConfig.speechConfig", "generationConfig.speechConfig"),
    ],
)
def test_a_field_has_the_name_of_its_api(path: str, own: str) -> None:
    assert FIELD_NAMES.spell(path) == own


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("choices[*].safetyRatings", "candidates[*].safetyRatings"),
        ("choices[*].message.calls[*].caller", "candidates[*].content.parts[*].functionCall.caller"),
        ("usage.trafficType", "usageMetadata.trafficType"),
    ],
)
def test_a_field_of_a_reply_has_the_name_of_its_api(path: str, own: str) -> None:
    assert REPLY_FIELD_NAMES.spell(path) == own
