"""The book against a second public table, `genai-prices`: where both have a model, both have its price."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from llm_gateway_model_book import BookEntry, shipped_book

data = pytest.importorskip("genai_prices.data")

HOSTS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "amazon": "aws",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "x-ai",
    "groq": "groq",
    "cohere": "cohere",
}
KINDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
REGIONAL = ("eu.", "jp.", "apac.", "au.", "us-gov.", "ca.", "sa.")
"""The other table has one price for all regions of Bedrock but that of the United States."""
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

PEAK = "the vendor asks half at certain hours; the book has the price of the others, which is never too low"
MOVED = "the name has moved on to a newer model; the other table has the price of the older one"
REPLACED = "the vendor serves another model under this name and asks that model's price"
TOLERATED: dict[tuple[str, str], str] = {
    ("deepseek", "deepseek-flash"): PEAK,
    ("deepseek", "deepseek-v4-flash"): PEAK,
    ("deepseek", "deepseek-v4-flash-vision-exp"): PEAK,
    ("deepseek", "deepseek-v4-pro"): PEAK,
    ("deepseek", "deepseek-chat"): MOVED,
    ("deepseek", "deepseek-reasoner"): MOVED,
    ("deepseek", "deepseek-v3.2"): "the other table has the price of a router",
    ("google", "gemini-3.8-flash-cyber"): "the other table has the batch price",
    ("groq", "openai/gpt-oss-safeguard-20b"): "rounded by the vendor's page",
    ("mistral", "magistral-medium-latest"): MOVED,
    ("mistral", "magistral-small-latest"): MOVED,
    ("mistral", "mistral-large-latest"): MOVED,
    ("mistral", "mistral-medium"): MOVED,
    ("openai", "gpt-4o-mini-tts"): "speech is a kind of output of its own in the book",
    ("xai", "grok-code-fast"): REPLACED,
    ("xai", "grok-code-fast-1"): REPLACED,
    ("xai", "grok-code-fast-1-0825"): REPLACED,
}
"""Host and model of known disagreements, with the reason why the book keeps its own number."""


def disagreements() -> tuple[int, dict[tuple[str, str], list[str]]]:
    """How many prices were compared, and where they differ."""
    compared, found = 0, {}
    providers = {provider.id: provider for provider in data.providers}
    for entry in shipped_book().entries():
        model = _model(providers[HOSTS[entry.host]], entry)
        if model is None or entry.prices is None or entry.name.startswith(REGIONAL):
            continue
        rates, theirs = entry.prices.rates(1), model.get_prices(NOON)
        for ours, name in KINDS.items():
            price, other = getattr(rates, ours) if rates else None, _base(getattr(theirs, name, None))
            if price is None or other is None:
                continue
            compared += 1
            if Decimal(price) != other * 1_000_000_000:
                at = (entry.host, entry.name)
                found.setdefault(at, []).append(f"{ours}: {Decimal(price) / 1_000_000_000} here, {other} there")
    return compared, found


def _model(provider: Any, entry: BookEntry) -> Any:
    exact = next((model for model in provider.models if model.id == entry.name), None)
    return exact or provider.find_model(entry.name, all_providers=None)


def _base(price: Any) -> Decimal | None:
    return getattr(price, "base", price)


def test_the_book_agrees_with_a_second_public_table() -> None:
    compared, found = disagreements()

    assert compared > 700
    assert {at: lines for at, lines in found.items() if at not in TOLERATED} == {}


def test_what_is_tolerated_still_disagrees() -> None:
    _, found = disagreements()

    assert set(TOLERATED) - set(found) == set()
