from __future__ import annotations

import pytest
from llm_gateway_model_book import family_of, shipped_book, spellings

SAME_MODEL = {
    ("anthropic", "claude-opus-4-5"): [
        ("", "claude-opus-4-5"),
        ("anthropic", "claude-opus-4-5-20251101"),
        ("anthropic", "claude-opus-4-5-latest"),
        ("anthropic", "claude-opus-4-5[1m]"),
        ("vertex", "claude-opus-4-5@20251101"),
        ("vertex", "publishers/anthropic/models/claude-opus-4-5@default"),
        ("openrouter", "anthropic/claude-opus-4.5"),
        ("openrouter", "anthropic/claude-opus-4.5:thinking"),
        ("openrouter", "~anthropic/claude-4.5-opus"),
    ],
    ("anthropic", "claude-3-5-sonnet"): [
        ("anthropic", "claude-3-5-sonnet-20241022"),
        ("openrouter", "anthropic/claude-3.5-sonnet"),
    ],
    ("amazon", "anthropic.claude-sonnet-4-6"): [("bedrock", "us.anthropic.claude-sonnet-4-6")],
    ("amazon", "global.anthropic.claude-sonnet-4-6"): [("bedrock", "global.anthropic.claude-sonnet-4-6-v1:0")],
    ("amazon", "amazon.nova-pro"): [
        ("bedrock", "amazon.nova-pro-v1:0"),
        ("bedrock", "amazon.nova-pro-v1:0:300k"),
        ("bedrock", "us.amazon.nova-pro-v1:0"),
        ("bedrock", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"),
        ("bedrock", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0"),
    ],
    ("openai", "gpt-4.1-mini"): [
        ("openai", "gpt-4.1-mini-2025-04-14"),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme::abc123"),
        ("azure", "azure/gpt-4.1-mini"),
        ("openrouter", "openai/gpt-4.1-mini:online"),
        ("openai", "GPT-4.1-mini"),
    ],
    ("openai", "gpt-3.5-turbo"): [("azure", "gpt-35-turbo")],
    ("google", "gemini-2.5-pro"): [
        ("gemini", "models/gemini-2.5-pro"),
        ("gemini", "gemini-2.5-pro-001"),
        ("vertex", "projects/p/locations/us/publishers/google/models/gemini-2.5-pro"),
        ("openrouter", "google/gemini-2.5-pro"),
    ],
    ("groq", "openai/gpt-oss-20b"): [("groq", "openai/gpt-oss-20b"), ("groq", "groq/openai/gpt-oss-20b")],
    ("openai", "gpt-oss-20b"): [("ollama", "gpt-oss:20b"), ("ollama", "gpt-oss:20b-q4_K_M")],
}


@pytest.mark.parametrize(
    ("expected", "provider", "name"),
    [(expected, *spelled) for expected, all_spelled in SAME_MODEL.items() for spelled in all_spelled],
    ids=lambda part: part if isinstance(part, str) else part[1],
)
def test_every_platforms_spelling_finds_the_same_entry(expected: tuple[str, str], provider: str, name: str) -> None:
    entry = shipped_book().find(name, provider)

    assert entry is not None
    assert (entry.host, entry.name) == expected
    assert entry.facts.assumed_from is None


def test_each_entry_is_found_by_its_own_name() -> None:
    book = shipped_book()
    lost = []
    for entry in book.entries():
        provider = {"google": "gemini", "amazon": "bedrock"}.get(entry.host, entry.host)
        found = book.find(entry.name, provider)
        if found is None or (found.host, found.name) != (entry.host, entry.name):
            lost.append((entry.host, entry.name, found and (found.host, found.name)))

    assert lost == []


def test_the_first_spelling_is_the_name_as_it_came() -> None:
    for entry in shipped_book().entries():
        assert spellings(entry.name)[0] == entry.name


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-5.4-mini-2026-03-05", "gpt-mini"),
        ("claude-opus-4-5-20251101", "claude-opus"),
        ("claude-3-5-haiku-latest", "claude-haiku"),
        ("us.anthropic.claude-sonnet-4-6", "claude-sonnet"),
        ("gemini-3.1-flash-lite-preview", "gemini-flash-lite"),
        ("grok-4.5", "grok"),
        ("o4-mini", "o-mini"),
        ("deepseek.r1", "deepseek.r1"),
    ],
)
def test_a_family_is_the_name_without_its_numbers(name: str, family: str) -> None:
    assert family_of(name) == family
