"""What a usage costs: tiers, caches that are kept for an hour, tools of the provider, images, long inputs."""

from __future__ import annotations

import pytest

from llm_gateway_sdk import Usage
from llm_gateway_sdk.charges import charged_tier, cost_of
from llm_gateway_sdk.model_facts import Band, Prices, Rates

DOLLAR = 1_000_000_000
"""Nano-dollars; per million tokens it is a thousand nano-dollars a token."""

STANDARD = Rates(
    input=2 * DOLLAR, output=10 * DOLLAR, cache_read=DOLLAR // 5, cache_write=5 * DOLLAR // 2, cache_write_1h=4 * DOLLAR
)
PRICES = Prices(
    tiers={
        "standard": (Band(0, STANDARD), Band(1000, Rates(input=4 * DOLLAR, output=20 * DOLLAR).over(STANDARD))),
        "batch": (Band(0, Rates(input=DOLLAR, output=5 * DOLLAR)),),
        "priority": (Band(0, Rates(input=4 * DOLLAR, output=18 * DOLLAR)),),
    },
    calls={"web_search": DOLLAR // 100},
)


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (Usage(100, 10), 300_000),
        (Usage(100, 10, service_tier="default"), 300_000),
        (Usage(100, 10, service_tier="scale"), 300_000),
        (Usage(100, 10, service_tier="batch"), 150_000),
        (Usage(100, 10, service_tier="priority"), 580_000),
        (Usage(100, 10, service_tier="fast"), 580_000),
        (Usage(100, 10, service_tier="ON_DEMAND_PRIORITY"), 580_000),
        (Usage(100, 10, service_tier="flex"), 580_000),
        (Usage(100, 10, service_tier="something new"), 580_000),
        (Usage(100, 0, 0, 40), 120_000 + 100_000),
        (Usage(100, 0, 0, 40, cache_write_1h_tokens=30), 120_000 + 25_000 + 120_000),
        (Usage(1000, 10), 2_100_000),
        (Usage(1001, 10), 4_004_000 + 200_000),
        (Usage(1500, 10, requests=2), 3_100_000),
        (Usage(100, 10, tool_calls={"web_search": 3}), 300_000 + 3 * DOLLAR // 100),
        (Usage(100, 10, input_image_tokens=50, output_image_tokens=5), 300_000),
    ],
    ids=[
        "tokens", "tier by default", "capacity paid in advance", "batch", "priority", "another word for it",
        "Google's word for it", "a tier without a price costs what the dearest does", "an unknown tier too",
        "written to a cache", "and kept for an hour", "as long as the threshold", "longer than the threshold",
        "two requests that are not long", "calls of a tool", "images at the price of text",
    ],
)  # fmt: skip
def test_each_kind_is_charged_at_its_price(usage: Usage, nanos: int) -> None:
    assert cost_of(PRICES, usage) == nanos


def test_images_have_a_price_of_their_own_where_one_is_written() -> None:
    rates = Rates(input=DOLLAR, output=DOLLAR, input_image=8 * DOLLAR, output_image=32 * DOLLAR)
    prices = Prices(tiers={"standard": (Band(0, rates),)})

    usage = Usage(100, 60, input_image_tokens=10, output_image_tokens=50)

    assert cost_of(prices, usage) == 90_000 + 80_000 + 10_000 + 1_600_000


@pytest.mark.parametrize(
    ("prices", "usage"),
    [
        (PRICES, Usage(100, None)),
        (PRICES, Usage(100, 10, tool_calls={"code_interpreter": 1})),
        (Prices(tiers=PRICES.tiers, assumed_from="another"), Usage(100, 10)),
        (Prices(), Usage(100, 10)),
    ],
    ids=["a count", "the price of a tool", "the model", "all prices"],
)
def test_what_is_not_known_has_no_cost(prices: Prices, usage: Usage) -> None:
    assert cost_of(prices, usage) is None


def test_a_model_that_charges_for_no_output_needs_no_count_of_it() -> None:
    prices = Prices(tiers={"standard": (Band(0, Rates(input=DOLLAR)),)})

    assert cost_of(prices, Usage(input_tokens=21)) == 21_000


def test_a_provider_s_words_are_no_tier() -> None:
    assert charged_tier("the secret is swordfish") == "unknown"
    assert charged_tier(None) is charged_tier("") is None
