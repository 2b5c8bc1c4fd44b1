"""What limits hold for a batch, and what becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from llm_gateway_limits.batches import charges_of, parts_of, written_of
from llm_gateway_limits.estimates import Estimator
from llm_gateway_limits.rules import Asker, compile_rules

from llm_gateway_sdk import Attempt, Band, Prices, Rates, RequestContext, RequestRejected, Usage
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.wire import json

RATES = {
    "standard": Rates(input=2_000_000_000, output=4_000_000_000),
    "batch": Rates(input=1_000_000_000, output=2_000_000_000),
}
PRICES = Prices(tiers={tier: (Band(0, rates),) for tier, rates in RATES.items()})
SHARES = [BatchShare("a", "up-a", ("alias",), 10, 1000, 200, 0), BatchShare("b", "up-b", ("b",), 5, 500, 0, 5)]


def held(*limits: Mapping[str, Any], prices: Prices | None = PRICES) -> tuple[list[dict[str, Any]], Estimator]:
    rules = compile_rules([{"name": f"l{n}", "window": "lifetime", **each} for n, each in enumerate(limits)])
    estimator = Estimator(
        (), prices_of=lambda name: prices, prices_of_attempt=lambda attempt: prices, facts_of=lambda name: None,
        models=(),
    )  # fmt: skip
    ctx = RequestContext(request_id="r", operation="batch")
    ctx.batch = SHARES
    asker = Asker.of(ctx, lambda name: name, lambda name: "vendor")
    parts = parts_of(rules, ctx, asker, estimator, lambda name: "vendor")
    written = []
    for part in parts:
        entry = part.rule.entry(part.subject, part.amount, 0.0)
        assert entry is not None
        written.append(json.loads(json.dumps(written_of(part, entry))))
    return written, estimator


def test_all_lines_count_and_each_limit_its_own() -> None:
    written, _ = held(
        {"tokens": 10**9},
        {"inputTokens": 10**9, "when": {"models": ["alias"]}},
        {"outputTokens": 10**9, "defaultOutput": 100},
        {"tokens": 10**9, "per": ["model"], "defaultOutput": 10},
        {"requests": 100},
        {"tokens": 10**9, "when": {"models": ["other"]}},
    )

    amounts = [(each["limit"], each["amount"]) for each in written]
    assert amounts == [("l0", 1500 + 200 + 5 * 4096), ("l1", 1000), ("l2", 700), ("l3", 1200), ("l3", 550), ("l4", 1)]


def test_each_line_is_reserved_at_the_price_for_its_own_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine short lines and a long one are not ten of middle length."""
    long = Rates(input=10_000_000_000, output=20_000_000_000)
    prices = Prices(tiers={tier: (Band(0, rates), Band(1000, long)) for tier, rates in RATES.items()})
    share = BatchShare("a", "up-a")
    for tokens in (*[100] * 9, 5000):
        share.add(prices.threshold(tokens), tokens, 10)
    monkeypatch.setattr(sys.modules[__name__], "SHARES", [share])

    [written], _ = held({"cost": "10 USD"}, prices=prices)

    assert written["amount"] == 9 * (100 * 1000 + 10 * 2000) + 5000 * 10_000 + 10 * 20_000


def test_cost_is_reserved_at_the_price_of_the_batch_tier() -> None:
    written, _ = held({"cost": "10 USD", "defaultOutput": 100})
    dear, _ = held(
        {"cost": "10 USD", "defaultOutput": 100}, prices=Prices(tiers={"standard": PRICES.tiers["standard"]})
    )

    assert written[0]["amount"] == 1500 * 1000 + 700 * 2000
    assert dear[0]["amount"] == 2 * written[0]["amount"], "a model without one is paid in full"


def test_without_a_price_it_is_refused() -> None:
    with pytest.raises(RequestRejected, match="'a' has no price"):
        held({"cost": "10 USD"}, prices=None)


def settled(written: list[dict[str, Any]], estimator: Estimator, *used: Usage | None) -> list[int]:
    ctx = RequestContext(request_id="r", operation="batch")
    ctx.batch = SHARES
    ctx.attempts = [
        Attempt(share.model, f"vendor/{share.provider_model}", status=200, usage=usage)
        for share, usage in zip(SHARES, used, strict=True)
    ]
    return [charge.amount for charge in charges_of(written, ctx, estimator)]


def test_it_is_settled_by_what_is_kept_alone() -> None:
    written, estimator = held({"tokens": 10**9}, {"tokens": 10**9, "per": ["model"]}, {"cost": "10 USD"})
    used = (Usage(100, 10, service_tier="batch"), Usage(40, 2, service_tier="batch"))

    assert settled(written, estimator, *used) == [152, 110, 42, 140 * 1000 + 12 * 2000]


def test_what_is_unknown_is_charged_as_reserved() -> None:
    written, estimator = held({"tokens": 10**9}, {"cost": "10 USD"})

    assert settled(written, estimator, None, None) == [each["amount"] for each in written]


def test_nothing_used_is_nothing_charged() -> None:
    written, estimator = held({"tokens": 10**9}, {"cost": "10 USD"})

    assert settled(written, estimator, Usage(0, 0), Usage(0, 0)) == [0, 0]
