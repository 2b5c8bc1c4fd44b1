"""Facts and prices as the book and the configuration write them: camelCase, US dollars per million tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from llm_gateway_sdk.model_facts import Band, ModelFacts, Prices, Rates

__all__ = [
    "FACT_NAMES",
    "PRICE_KINDS",
    "PRICE_TIERS",
    "overlay_prices",
    "read_facts",
    "read_prices",
    "written_facts",
    "written_prices",
]

NANOS_PER_DOLLAR = 1_000_000_000

PRICE_TIERS = ("batch", "flex", "priority", "ultrafast")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


PRICE_KINDS: Mapping[str, str] = {_camel(each.name): each.name for each in fields(Rates)}
"""The fields of `Rates` by their names in YAML."""

_SETS = {"endpoints", "input", "output", "thinking"}
_GIVEN = {"name", "assumed_from", "source", "checked"}
FACT_NAMES: Mapping[str, str] = {_camel(each.name): each.name for each in fields(ModelFacts) if each.name not in _GIVEN}
"""The fields of `ModelFacts` by their names in YAML."""


def read_facts(name: str, written: Mapping[str, Any], *, source: str = "", checked: str = "") -> ModelFacts:
    """Raises ValueError for an unknown name."""
    values: dict[str, Any] = {}
    for key, value in written.items():
        attribute = FACT_NAMES.get(key)
        if attribute is None:
            raise ValueError(f"'{key}' is not a fact of a model; known are {', '.join(FACT_NAMES)}")
        values[attribute] = frozenset(value) if attribute in _SETS and value is not None else value
    return ModelFacts(name=name, source=source, checked=checked, **values)


def read_prices(written: Mapping[str, Any], *, source: str = "", checked: str = "") -> Prices | None:
    """None where nothing is written. Raises ValueError for unknown names and for amounts that are not numbers of 0 or
    more."""
    if not written:
        return None
    unknown = set(written) - set(PRICE_KINDS) - {"longContext", "tiers", "calls"}
    if unknown:
        known = ", ".join((*PRICE_KINDS, "longContext", "tiers", "calls"))
        raise ValueError(f"'{sorted(unknown)[0]}' is not a price; known are {known}")
    standard = _bands(written)
    tiers = {"standard": standard} if standard else {}
    for tier, rates in (written.get("tiers") or {}).items():
        # A kind without a price in a tier costs what it costs in the standard tier.
        tiers[tier] = tuple(_completed(band, standard) for band in _with_thresholds(_bands(rates), standard))
    calls = {_snake(kind): _nanos(amount, f"calls.{kind}") for kind, amount in (written.get("calls") or {}).items()}
    return Prices(tiers=tiers, calls=calls, source=source, checked=checked)


def overlay_prices(written: Prices, base: Prices | None) -> Prices:
    """`written`, completed by `base` in the kinds of token, tiers and calls that it does not name.

    A tier that is written has the thresholds that are written, and no others.
    """
    if base is None:
        return written
    tiers = dict(base.tiers)
    for tier, bands in written.tiers.items():
        below = (base.tiers.get(tier) or (Band(0, Rates()),))[0].rates
        tiers[tier] = tuple(Band(band.above, band.rates.over(below)) for band in bands)
    return replace(written, tiers=tiers, calls={**base.calls, **written.calls})


def _bands(written: Mapping[str, Any]) -> tuple[Band, ...]:
    base = _rates(written)
    if base == Rates():
        return ()
    bands = [Band(0, base)]
    for long in sorted(written.get("longContext") or (), key=lambda each: int(each["above"])):
        rates = _rates({key: value for key, value in long.items() if key != "above"})
        bands.append(Band(int(long["above"]), rates.over(bands[-1].rates)))
    return tuple(bands)


def _with_thresholds(bands: tuple[Band, ...], standard: tuple[Band, ...]) -> tuple[Band, ...]:
    """A tier without its own thresholds keeps one price, whatever the length."""
    return bands or standard


def _completed(band: Band, standard: tuple[Band, ...]) -> Band:
    below = next((each.rates for each in reversed(standard) if each.above <= band.above), Rates())
    return Band(band.above, band.rates.over(below))


def _rates(written: Mapping[str, Any]) -> Rates:
    return Rates(**{
        attribute: _nanos(written[key], key) for key, attribute in PRICE_KINDS.items() if written.get(key) is not None
    })  # fmt: skip


def _nanos(amount: Any, where: str) -> int:
    """Dollars as nano-dollars, rounded up. Raises ValueError."""
    if isinstance(amount, bool) or not isinstance(amount, int | float | str | Decimal):
        raise ValueError(f"{where}: expected a number of US dollars")
    try:
        dollars = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"{where}: expected a number of US dollars") from None
    if not dollars.is_finite() or dollars < 0:
        raise ValueError(f"{where}: expected a number of US dollars, 0 or more")
    scaled = dollars * NANOS_PER_DOLLAR
    return int(scaled.to_integral_value(rounding="ROUND_CEILING"))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def written_facts(facts: ModelFacts) -> dict[str, Any]:
    """Facts in the names of the configuration, without what is unknown."""
    found: dict[str, Any] = {}
    for each in fields(ModelFacts):
        value = getattr(facts, each.name)
        if value not in (None, ""):
            found[_camel(each.name)] = sorted(value) if isinstance(value, frozenset) else value
    return found


def written_prices(prices: Prices) -> dict[str, Any]:
    """Prices as the configuration writes them, in US dollars, with source and date."""
    found: dict[str, Any] = {}
    tiers: dict[str, Any] = {}
    for tier, bands in prices.tiers.items():
        rates: dict[str, Any] = _written_rates(bands[0].rates)
        if len(bands) > 1:
            rates["longContext"] = [{"above": band.above, **_written_rates(band.rates)} for band in bands[1:]]
        if tier == "standard":
            found.update(rates)
        else:
            tiers[tier] = rates
    if tiers:
        found["tiers"] = tiers
    if prices.calls:
        found["calls"] = {_camel(kind): nanos / NANOS_PER_DOLLAR for kind, nanos in prices.calls.items()}
    for name in ("assumed_from", "source", "checked"):
        if getattr(prices, name):
            found[_camel(name)] = getattr(prices, name)
    return found


def _written_rates(rates: Rates) -> dict[str, float]:
    return {
        name: nanos / NANOS_PER_DOLLAR
        for name, attribute in PRICE_KINDS.items()
        if (nanos := getattr(rates, attribute)) is not None
    }
