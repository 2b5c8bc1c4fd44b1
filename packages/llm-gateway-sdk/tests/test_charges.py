"""What a usage costs: tiers, caches that are kept for an hour, tools of the provider, images, long inputs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import Usage
from llm_gateway_sdk.charges import Charge, charge_of, charged_tier, cost_of
from llm_gateway_sdk.model_facts import Band, Prices, Rates, TokenCounts, tier_of

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


BY_THE_PIECE = Prices(calls={"image": DOLLAR // 25, "second": 100_000, "character": 15_000})
"""As image models, Whisper and the older models of speech are priced."""
IMAGE_TOKENS = Prices(
    tiers={"standard": (Band(0, Rates(input=DOLLAR, output=2 * DOLLAR, output_image=30 * DOLLAR)),)},
    calls={"image": DOLLAR // 25},
)
HEARD = Prices(tiers={"standard": (Band(0, Rates(input=DOLLAR, output=DOLLAR, input_audio=2 * DOLLAR)),)})
SESSION = Prices(
    tiers={
        "standard": (
            Band(
                0,
                Rates(
                    input=4 * DOLLAR,
                    output=16 * DOLLAR,
                    cache_read=DOLLAR // 2,
                    cache_read_audio=DOLLAR // 4,
                    input_audio=32 * DOLLAR,
                    input_image=5 * DOLLAR,
                ),
            ),
        )
    }
)
"""As realtime models are priced."""
RERANK = Prices(tiers={"standard": (Band(0, Rates(input=0, output=0)),)}, calls={"search_unit": DOLLAR // 500})


@pytest.mark.parametrize(
    ("prices", "usage", "nanos"),
    [
        (BY_THE_PIECE, Usage(12, 0, pieces={"image": 3}), 3 * DOLLAR // 25),
        (BY_THE_PIECE, Usage(12, 700, pieces={"image": 3}), 3 * DOLLAR // 25),
        (BY_THE_PIECE, Usage(12, 0, pieces={"second": 61}), 6_100_000),
        (BY_THE_PIECE, Usage(12, 0, service_tier="priority", pieces={"character": 1000}), 15_000_000),
        (IMAGE_TOKENS, Usage(10, 1290, output_image_tokens=1290, pieces={"image": 1}), 10_000 + 1290 * 30_000),
        (IMAGE_TOKENS, Usage(10, 0, pieces={"image": 1}), 10_000 + DOLLAR // 25),
        (HEARD, Usage(50, 10, input_audio_tokens=40, pieces={"second": 4}), 10_000 + 80_000 + 10_000),
        (RERANK, Usage(900, None, pieces={"search_unit": 2}), DOLLAR // 250),
        (HEARD, Usage(50, 10, pieces={"session_second": 40}), 60_000),
    ],
    ids=[
        "images", "images, whatever tokens are counted", "sound", "speech", "an image whose tokens are counted is not "
        "charged twice", "an image whose tokens are not counted", "sound in tokens", "search units",
        "a session that is paid by tokens",
    ],
)  # fmt: skip
def test_pieces_are_charged_where_their_tokens_are_not(prices: Prices, usage: Usage, nanos: int) -> None:
    assert cost_of(prices, usage) == nanos
    assert charge_of(prices, usage) == Charge(nanos)


@pytest.mark.parametrize(
    ("prices", "usage", "nanos", "unpriced"),
    [
        (PRICES, Usage(100, 10, tool_calls={"file_search": 2, "web_search": 1}), 10_300_000, ("file_search",)),
        (PRICES, Usage(100, 10, input_audio_tokens=60), 300_000, ("input_audio",)),
        (HEARD, Usage(100, 10, 30, 20), 110_000, ("cache_read", "cache_write")),
        (HEARD, Usage(12, 10, pieces={"second": 9}), 22_000, ("second",)),
        (IMAGE_TOKENS, Usage(10, 5, output_audio_tokens=5), 20_000, ("output_audio",)),
        (Prices(tiers={"standard": (Band(0, Rates(input=DOLLAR)),)}), Usage(10, 5), 10_000, ("output",)),
        (PRICES, Usage(None, 10), 100_000, ()),
    ],
    ids=[
        "calls of a tool", "sound", "a cache", "sound that the provider has not counted in tokens", "speech", "output",
        "a count that is unknown",
    ],
)  # fmt: skip
def test_what_has_no_price_is_named_and_the_rest_is_charged(
    prices: Prices, usage: Usage, nanos: int, unpriced: tuple[str, ...]
) -> None:
    assert cost_of(prices, usage) is None
    assert charge_of(prices, usage) == Charge(nanos, unpriced)


def test_what_is_free_has_no_kind_without_a_price() -> None:
    free = Prices(tiers={"standard": (Band(0, Rates(**dict.fromkeys(Rates.__dataclass_fields__, 0))),)})

    assert charge_of(free, Usage(10, 5, pieces={"image": 2, "second": 3})) == Charge(0)


def test_an_assumed_price_charges_nothing() -> None:
    assert charge_of(Prices(tiers=PRICES.tiers, assumed_from="another"), Usage(10, 5)) is None


@pytest.mark.parametrize(
    ("prices", "tokens", "pieces", "nanos"),
    [
        (PRICES, (100, 10), {"web_search": 2}, 580_000 + DOLLAR // 50),
        (BY_THE_PIECE, (100, 4096), {"image": 2}, 2 * DOLLAR // 25),
        (IMAGE_TOKENS, (10, 1000), None, 10_000 + 30_000_000),
    ],
    ids=["tokens and calls", "pieces alone", "the dearest kind of output"],
)
def test_the_ceiling_counts_pieces(
    prices: Prices, tokens: tuple[int, int], pieces: dict[str, int] | None, nanos: int
) -> None:
    assert prices.ceiling(*tokens, pieces=pieces) == nanos


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (
            Usage(1000, 0, 800, input_audio_tokens=881, cache_read_audio_tokens=700),
            19 * 4_000 + 181 * 32_000 + 700 * 250 + 100 * 500,
        ),
        (
            Usage(1000, 0, 300, input_image_tokens=600, cache_read_image_tokens=200),
            300 * 4_000 + 400 * 5_000 + 300 * 500,
        ),
        (Usage(100, 0, 60, input_audio_tokens=100), 40 * 32_000 + 60 * 250),
        (Usage(100, 0, 60, input_audio_tokens=30), 10 * 4_000 + 30 * 32_000 + 60 * 500),
        (Usage(100, 0, 90, input_image_tokens=100), 10 * 5_000 + 90 * 500),
    ],
    ids=["sound", "images", "all is sound", "which part is cached is not known", "all are images"],
)
def test_what_comes_from_the_cache_is_charged_once(usage: Usage, nanos: int) -> None:
    assert cost_of(SESSION, usage) == nanos


COUNT = st.integers(0, 50)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_no_token_of_the_input_is_charged_twice(
    total: int, read: int, written: int, heard: int, seen: int, read_heard: int, read_seen: int
) -> None:
    """However the parts overlap, the charge is between that of all tokens at the cheapest rate and at the dearest."""
    total = max(total, read + written, heard + seen)
    usage = Usage(
        total, 0, read, written, input_audio_tokens=heard, input_image_tokens=seen,
        cache_read_audio_tokens=read_heard, cache_read_image_tokens=read_seen,
    )  # fmt: skip
    prices = replace_write(SESSION)
    charged = cost_of(prices, usage)

    assert charged is not None
    assert total * 250 <= charged <= total * 32_000


def replace_write(prices: Prices) -> Prices:
    """The same with a price for what is written to the cache."""
    [band] = prices.tiers["standard"]
    return Prices(tiers={"standard": (Band(0, Rates(cache_write=5 * DOLLAR).over(band.rates)),)})


RATES = st.one_of(st.none(), st.integers(0, 100 * DOLLAR))


@st.composite
def some_prices(draw: st.DrawFn) -> Prices:
    def rates() -> Rates:
        return Rates(
            input=draw(RATES), output=draw(RATES), cache_read=draw(RATES), cache_write=draw(RATES),
            output_audio=draw(RATES),
        )  # fmt: skip

    tiers = draw(st.lists(st.sampled_from(["standard", "priority", "batch"]), unique=True))
    above = draw(st.lists(st.just(1000), max_size=1))
    return Prices(tiers={tier: tuple(Band(start, rates()) for start in (0, *above)) for tier in tiers})


@given(
    some_prices(),
    st.builds(
        Usage,
        st.one_of(st.none(), st.integers(0, 3000)),
        st.one_of(st.none(), st.integers(0, 3000)),
        st.one_of(st.none(), st.integers(0, 3000)),
        st.sampled_from([None, 0, 40]),
        service_tier=st.sampled_from([None, "standard", "default", "priority", "batch", "scale"]),
        requests=st.integers(1, 2),
    ),
)
def test_text_alone_costs_what_the_sum_over_all_kinds_gives(prices: Prices, usage: Usage) -> None:
    counts = TokenCounts(
        input=usage.input_tokens, output=usage.output_tokens, cache_read=usage.cache_read_tokens,
        cache_write=usage.cache_write_tokens, requests=usage.requests,
    )  # fmt: skip
    tier = usage.service_tier
    if counts.output is not None and (tier is None or tier_of(tier) in prices.tiers):
        assert cost_of(prices, usage) == prices.cost(counts, tier)


@given(some_prices(), st.integers(0, 3000), st.integers(0, 3000))
def test_rates_for_any_number_of_tokens_give_the_same_ceiling(prices: Prices, inputs: int, outputs: int) -> None:
    flat = prices.flat_ceiling()

    if flat is not None:
        assert -(-(inputs * flat[0] + outputs * flat[1]) // 1_000_000) == prices.ceiling(inputs, outputs)
