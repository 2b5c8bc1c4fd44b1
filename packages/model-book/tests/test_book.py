from __future__ import annotations

import datetime
import re

import pytest
from llm_gateway_model_book import Book, shipped_book

ENTRIES = list(shipped_book().entries())
VENDORS = {"openai", "anthropic", "google", "amazon", "mistral", "deepseek", "xai", "groq", "cohere"}


def test_the_vendors_are_there() -> None:
    hosts = {entry.host for entry in ENTRIES}

    assert hosts >= VENDORS
    for host in hosts:
        assert sum(1 for entry in ENTRIES if entry.host == host and entry.prices is not None) >= 5


def test_each_entry_names_a_source_and_a_day() -> None:
    for entry in ENTRIES:
        assert re.match(r"https://[\w.-]+\.\w+", entry.facts.source), entry
        assert datetime.date(2026, 1, 1) <= datetime.date.fromisoformat(entry.facts.checked), entry
        assert entry.facts.vendor
        assert entry.facts.family, entry
        if entry.facts.retires is not None:
            datetime.date.fromisoformat(entry.facts.retires)


def test_what_a_cache_held_costs_no_more_than_what_it_did_not() -> None:
    dearer = [
        (entry.host, entry.name, tier, band.above)
        for entry in ENTRIES
        for tier, bands in (entry.prices.tiers if entry.prices else {}).items()
        for band in bands
        if band.rates.cache_read is not None and band.rates.input is not None
        if band.rates.cache_read > band.rates.input
    ]

    assert dearer == []


def test_facts_have_the_types_that_they_should() -> None:
    for entry in ENTRIES:
        for each in (entry.facts.context_window, entry.facts.max_output):
            assert each is None or (type(each) is int and each > 0), entry
        assert entry.facts.sampling in (None, "all", "one", "none")
        assert (entry.facts.thinking or set()) <= {"budget", "adaptive", "effort", "always", "off"}


@pytest.mark.parametrize(
    ("name", "assumed"),
    [
        ("claude-opus-9", "claude-opus-5-5"),
        ("claude-haiku-7-20280101", "claude-haiku-5-5"),
        ("gpt-9-mini", "gpt-5.4-mini"),
        ("anthropic/claude-sonnet-8.1", "claude-sonnet-5-5"),
    ],
)
def test_an_unknown_model_is_taken_for_the_newest_of_its_family_and_marked(name: str, assumed: str) -> None:
    entry = shipped_book().find(name)

    assert entry is not None
    assert entry.facts.assumed_from == assumed
    assert entry.prices is not None
    assert entry.prices.assumed_from == assumed
    known = shipped_book().find(assumed)
    assert known is not None
    assert known.prices is not None
    assert entry.prices.rates() == known.prices.rates()


@pytest.mark.parametrize("name", ["my-model", "house-llm", "", "application-inference-profile/a1b2c3d4", "x" * 500])
def test_a_name_of_no_known_family_is_not_found(name: str) -> None:
    assert shipped_book().find(name) is None


def test_a_hosts_price_holds_for_calls_of_that_host_alone() -> None:
    on_groq = shipped_book().find("openai/gpt-oss-120b", "groq")
    on_bedrock = shipped_book().find("us.anthropic.claude-sonnet-4-6", "bedrock")
    elsewhere = shipped_book().find("meta.llama3-70b-instruct", "openrouter")

    assert on_groq is not None
    assert on_groq.host == "groq"
    assert on_groq.prices is not None
    assert on_bedrock is not None
    assert on_bedrock.host == "amazon"
    assert elsewhere is not None
    assert elsewhere.prices is None


def test_models_on_hardware_of_ones_own_cost_nothing() -> None:
    local = shipped_book().find("gpt-oss:20b", "ollama")

    assert local is not None
    assert local.prices is not None
    assert local.prices.ceiling(10**6, 10**6) == 0


def test_the_length_of_the_prompt_decides_the_price() -> None:
    entry = shipped_book().find("claude-haiku-5-5")
    assert entry is not None
    assert entry.prices is not None

    short, long = entry.prices.rates(100_000), entry.prices.rates(100_001)
    assert short is not None
    assert long is not None
    assert (short.input, short.output) == (100_000_000, 500_000_000)
    assert (long.input, long.output) == (500_000_000, 2_500_000_000)
    batch = entry.prices.rates(100_001, "batch")
    assert batch is not None
    assert batch.input == 250_000_000


def test_a_table_may_be_of_ones_own() -> None:
    written = {
        "facts": {"contextWindow": 8},
        "prices": {"input": 1, "output": 2},
        "source": "https://x.y/",
        "checked": "",
    }
    book = Book([{"host": "house", "models": {"house-1": written}}])

    entry = book.find("house-2")

    assert entry is not None
    assert entry.facts.assumed_from == "house-1"
    assert entry.facts.context_window == 8
