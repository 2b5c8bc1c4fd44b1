"""The book against the table of `litellm`: where both have a model, both have its price.

Run by `hatch run prices:compare`; left out where litellm is not installed, which is large and brings much along.
"""

from __future__ import annotations

import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_model_book import BookEntry, shipped_book

HOSTS = {
    "openai": ("", "openai", "text-completion-openai"),
    "anthropic": ("", "anthropic"),
    "google": ("gemini/", "gemini"),
    "amazon": ("", "bedrock", "bedrock_converse"),
    "mistral": ("mistral/", "mistral"),
    "deepseek": ("deepseek/", "deepseek"),
    "xai": ("xai/", "xai"),
    "groq": ("groq/", "groq"),
    "cohere": ("", "cohere", "cohere_chat"),
}
"""By host: the beginning of the other table's names, and its words for the host."""
KINDS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
REGIONAL = Decimal("1.1")
"""In a region Bedrock asks a tenth more than for its global endpoint, whose price the other table has for both."""
TOLERATED = {("mistral", "open-mistral-nemo"): "the other table has the price of an earlier year"}


def table() -> dict[str, dict[str, Any]]:
    """The file within litellm, which is not imported for it."""
    found = importlib.util.find_spec("litellm")
    places = [] if found is None else list(found.submodule_search_locations or ())
    if not places:
        pytest.skip("litellm is not installed")
    file = Path(places[0]) / "model_prices_and_context_window_backup.json"
    read: dict[str, dict[str, Any]] = json.loads(file.read_bytes(), parse_float=Decimal)
    return read


def theirs(models: dict[str, dict[str, Any]], entry: BookEntry) -> dict[str, Any] | None:
    beginning, *words = HOSTS[entry.host]
    found = models.get(beginning + entry.name, models.get(entry.name))
    return found if found is not None and found.get("litellm_provider") in words else None


def test_the_book_agrees_with_litellm() -> None:
    models, compared, found = table(), 0, dict[tuple[str, str], list[str]]()
    for entry in shipped_book().entries():
        other, rates = theirs(models, entry), None if entry.prices is None else entry.prices.rates(1)
        for kind, name in KINDS.items():
            price = getattr(rates, kind, None)
            if other is None or price is None or not other.get(name):
                continue
            compared += 1
            here, there = Decimal(price) / 10**9, Decimal(other[name]) * 10**6
            if here != there and not (entry.host == "amazon" and here == there * REGIONAL):
                found.setdefault((entry.host, entry.name), []).append(f"{kind}: {here} here, {there} there")

    assert compared > 900
    assert {at: lines for at, lines in found.items() if at not in TOLERATED} == {}
