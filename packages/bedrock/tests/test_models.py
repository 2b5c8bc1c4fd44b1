"""What a model's id shows."""

from __future__ import annotations

import pytest
from llm_gateway_bedrock.models import capabilities_of


@pytest.mark.parametrize(
    ("model", "family", "version"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude", 4.5),
        ("anthropic.claude-3-sonnet-20240229-v1:0", "claude", 3.0),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "claude", 3.7),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude", 4.0),
        ("anthropic.claude-v2:1", "claude", 2.1),
        ("anthropic.claude-instant-v1", "claude", 1.0),
        ("anthropic.claude-opus-5", "claude", 5.0),
        ("us.amazon.nova-micro-v1:0", "nova", 1.0),
        ("us.amazon.nova-2-lite-v1:0", "nova", 2.0),
        ("openai.gpt-oss-20b-1:0", "gpt-oss", 0.0),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "", 0.0),
    ],
)
def test_family_and_version_are_found(model: str, family: str, version: float) -> None:
    can = capabilities_of(model)

    assert (can.family, can.version) == (family, version)


def test_abilities_grow_with_the_version() -> None:
    old, middle, new = (capabilities_of(f"anthropic.claude-{name}") for name in ("3-haiku-2", "sonnet-4-5", "opus-4-7"))

    assert (old.caches, old.thinks, old.structured, old.samples) == (False, False, False, True)
    assert (middle.caches, middle.thinks, middle.thinks_adaptively, middle.structured) == (True, True, False, True)
    assert (new.thinks_adaptively, new.takes_budget, new.samples) == (True, False, False)
