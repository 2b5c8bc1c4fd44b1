"""Finds a model's facts and prices by any of its names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from llm_gateway_sdk.model_facts import Band, ModelFacts, Prices, Rates
from llm_gateway_sdk.wire import json

from .names import LOCAL_PROVIDERS, family_of, spellings, version_of
from .reading import read_facts, read_prices

__all__ = ["Book", "BookEntry", "shipped_book"]

_HOSTS: Mapping[str, str] = {
    "openai": "openai",
    "azure": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "vertex": "google",
    "bedrock": "amazon",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "xai",
    "groq": "groq",
    "cohere": "cohere",
}
"""Provider types, and the table in which their prices are looked for first."""

_RESELLERS = frozenset({"groq", "amazon"})
"""Tables with prices of one host, for models that others have made: they hold for calls of that host alone."""

_FREE = Prices(
    tiers={"standard": (Band(0, Rates(**dict.fromkeys(Rates.__dataclass_fields__, 0))),)}, source="no charge"
)


@dataclass(frozen=True, slots=True)
class BookEntry:
    name: str
    host: str
    """The table it is in: who serves the model at this price."""
    facts: ModelFacts
    prices: Prices | None


class Book:
    """Immutable. `tables` are as in the files of `data/`."""

    def __init__(self, tables: Iterable[Mapping[str, Any]]) -> None:
        self._written: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._vendors: dict[str, str] = {}
        for table in tables:
            host = table["host"]
            self._written.setdefault(host, {}).update(table["models"])
        self._entry = lru_cache(maxsize=None)(self._read)

    def find(self, name: str, provider: str = "") -> BookEntry | None:
        """The entry of a model, as a provider of that type names it; one that is assumed reports it in `assumed_from`.

        None for names of no known family.
        """
        names = spellings(name)
        hosts = self._hosts(provider)
        for spelling in names:
            for host in hosts:
                if spelling in self._written.get(host, ()):
                    return self._priced(self._entry(host, spelling), name, provider)
        for spelling in names:
            newest = self._newest(spelling, hosts)
            if newest is not None:
                found = self._entry(*newest)
                facts = replace(found.facts, name=names[-1], assumed_from=found.name, retires=None, successor=None)
                prices = None if found.prices is None else replace(found.prices, assumed_from=found.name)
                return self._priced(BookEntry(names[-1], found.host, facts, prices), name, provider)
        return None

    def entries(self) -> Iterator[BookEntry]:
        """All entries, by host and name."""
        for host, models in sorted(self._written.items()):
            for name in sorted(models):
                yield self._entry(host, name)

    def _hosts(self, provider: str) -> list[str]:
        first = _HOSTS.get(provider)
        others = [host for host in self._written if host != first]
        # A reseller's price is its own; its facts are better than none.
        others.sort(key=lambda host: host in _RESELLERS)
        return [first, *others] if first in self._written else others

    def _priced(self, entry: BookEntry, asked: str, provider: str) -> BookEntry:
        if provider in LOCAL_PROVIDERS or (provider == "openrouter" and asked.endswith(":free")):
            return replace(entry, prices=_FREE)
        if entry.host in _RESELLERS and provider and _HOSTS.get(provider) != entry.host:
            return replace(entry, prices=None)
        return entry

    @cached_property
    def _families(self) -> dict[str, dict[str, str]]:
        """Per host the newest model of each family."""
        found: dict[str, dict[str, str]] = {}
        for host, models in self._written.items():
            newest = found[host] = {}
            for name in models:
                family = family_of(name)
                known = newest.get(family)
                if known is None or _age(name) > _age(known):
                    newest[family] = name
        return found

    def _newest(self, spelling: str, hosts: Iterable[str]) -> tuple[str, str] | None:
        family = family_of(spelling)
        if not version_of(spelling) and spelling != family:
            return None
        while family:
            for host in hosts:
                name = self._families[host].get(family)
                if name is not None:
                    return host, name
            family = family.rpartition("-")[0]
        return None

    def _read(self, host: str, name: str) -> BookEntry:
        written = self._written[host][name]
        source, checked = written["source"], written["checked"]
        facts = read_facts(name, written["facts"], source=source, checked=checked)
        facts = replace(facts, vendor=facts.vendor or host, family=facts.family or family_of(name))
        prices = read_prices(written.get("prices") or {}, source=source, checked=checked)
        return BookEntry(name, host, facts, prices)


def _age(name: str) -> tuple[tuple[float, ...], bool, int]:
    # Of one version the plain name goes before names with more in them.
    return version_of(name), "preview" not in name, -len(name)


@lru_cache(maxsize=1)
def shipped_book() -> Book:
    """The book of this distribution, read once."""
    folder = resources.files(__package__).joinpath("data")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return Book(json.loads(file.read_bytes()) for file in files)
