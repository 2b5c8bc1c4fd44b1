"""What a request may cost at most, and what it did cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_limits.estimates import Estimator, KnownPrices, Usage
from llm_gateway_limits.marks import Marks
from llm_gateway_limits.rules import Rule, compile_rules

from llm_gateway_sdk import Attempt, ModelFacts, Prices, RequestContext, RequestRejected, WireRequest
from llm_gateway_sdk import Usage as Counted
from llm_gateway_sdk.model_facts import Band, Rates


def priced(dollars_in: int, dollars_out: int, assumed_from: str | None = None) -> Prices:
    """US dollars per million tokens."""
    rates = Rates(input=dollars_in * 10**9, output=dollars_out * 10**9)
    return Prices(tiers={"standard": (Band(0, rates),)}, assumed_from=assumed_from)


PRICES = {"cheap": priced(1, 2), "dear": priced(10, 20), "assumed": priced(5, 5, assumed_from="dear")}
MICRO = 1000
"""Nano-dollars that a token costs at one dollar per million."""


def estimator(**changed: Any) -> Estimator:
    options: dict[str, Any] = {
        "prices_of": lambda model: PRICES.get(model or ""),
        "prices_of_attempt": lambda attempt: PRICES.get(attempt.model),
        "facts_of": lambda model: None,
        "models": ["cheap", "dear"],
        **changed,
    }
    return Estimator(options.pop("paths", ()), **options)


def rule(measure: str = "cost", amount: Any = "10 USD", **written: Any) -> Rule:
    window = {} if measure == "concurrent" else {"window": "lifetime"}
    return compile_rules([{"name": "l", measure: amount, **window, **written}])[0]


def asked(operation: Any = "generate", path: str = "/v1/x") -> RequestContext:
    return RequestContext(request_id="r", operation=operation, http_request=WireRequest("POST", path))


def reserved(limit: Rule, model: str = "cheap", operation: str = "generate", **usage: Any) -> int:
    return estimator().reserve(
        limit, asked(operation), Usage(**{"input_tokens": 100, "output_tokens": 50, **usage}), model
    )


@pytest.mark.parametrize(
    ("measure", "amount", "most"),
    [("requests", 5, 1), ("concurrent", 5, 1), ("inputTokens", 5, 100), ("outputTokens", 5, 50), ("tokens", 5, 150),
     ("cost", "1 USD", 200 * MICRO)],
)  # fmt: skip
def test_a_request_reserves_the_most_it_may_take(measure: str, amount: Any, most: int) -> None:
    assert reserved(rule(measure, amount)) == most


def test_what_has_no_output_reserves_none() -> None:
    assert reserved(rule("tokens", 5), operation="embed") == 100
    assert reserved(rule("tokens", 5), operation="count_tokens") == 0
    assert reserved(rule("requests", 5), operation="count_tokens") == 1


@pytest.mark.parametrize(("known", "most"), [(None, 4096), (1000, 1000), (100_000, 4096)])
def test_without_a_maximum_the_models_or_the_default_counts(known: int | None, most: int) -> None:
    facts = None if known is None else ModelFacts(name="m", max_output=known)
    found = estimator(facts_of=lambda model: facts)

    assert found.reserve(rule("outputTokens", 5), asked(), Usage(100, None), "cheap") == most


def test_a_model_without_a_price_is_refused_with_what_to_write() -> None:
    with pytest.raises(
        RequestRejected, match=r"The model 'new' has no price, .* `prices: \{input: …, output: …\}`"
    ) as caught:
        reserved(rule(), "new")
    assert (caught.value.status, caught.value.info().code) == (403, "unknown_price")
    with pytest.raises(RequestRejected):
        reserved(rule(), "assumed")


def test_a_limit_may_take_unknown_prices_as_free_or_as_the_dearest() -> None:
    assert reserved(rule(unknownPrice="free"), "new") == 0
    assert reserved(rule(unknownPrice="estimate"), "new") == 2000 * MICRO
    assert reserved(rule(mode="shadow"), "new") == 0


def test_calls_of_other_endpoints_have_the_price_of_their_path() -> None:
    found = estimator(paths=[{"path": "/v1/video/*", "cost": "2 USD"}])

    assert found.reserve(rule(), asked("native", "/v1/video/jobs"), Usage(), None) == 2 * 10**9
    with pytest.raises(RequestRejected, match="Calls of /v1/other have no price"):
        found.reserve(rule(), asked("native", "/v1/other"), Usage(), None)
    assert found.reserve(rule(unknownPrice="free"), asked("native", "/v1/other"), Usage(), None) == 0


def settled(limit: Rule, *attempts: Attempt, held: int = 999, operation: str = "generate") -> int:
    ctx = asked(operation)
    ctx.attempts.extend(attempts)
    return estimator().settle(limit, ctx, attempts, held)


def call(model: str = "cheap", used: tuple[int, int] | None = None, **fields: Any) -> Attempt:
    usage = None if used is None else Counted(input_tokens=used[0], output_tokens=used[1])
    return Attempt(model, usage=usage, **fields)


def test_every_attempt_is_paid_at_the_price_of_its_model() -> None:
    failed, answered = call("dear", (100, 0), status=500, error="no"), call("cheap", (100, 50), status=200)

    assert settled(rule(), failed, answered) == 1000 * MICRO + 200 * MICRO
    assert settled(rule("tokens", 5), failed, answered) == 250
    assert settled(rule("inputTokens", 5), failed, answered) == 200
    assert settled(rule("outputTokens", 5), failed, answered) == 50


@pytest.mark.parametrize("measure", ["cost", "tokens"])
def test_an_answer_without_counts_takes_what_was_reserved_and_a_failure_nothing(measure: str) -> None:
    limit = rule(measure, "5 USD" if measure == "cost" else 5)

    assert settled(limit, call(status=200)) == 999
    assert settled(limit, call(status=500, error="no")) == 0
    assert settled(limit) == 0


@pytest.mark.parametrize(
    ("measure", "attempt", "options", "expected"),
    [
        ("cost", call(used=(100, 50), output_precision="exact"), {}, (0, 0)),
        ("cost", call(used=(100, 50), input_precision="exact", output_precision="partial"), {}, (200, 0)),
        ("cost", call(used=(100, 50), input_precision="estimated", output_precision="partial"), {}, (0, 200)),
        ("tokens", call(used=(100, 50), input_precision="estimated", output_precision="partial"), {}, (50, 100)),
        ("inputTokens", call(used=(100, 50), input_precision="exact", output_precision="partial"), {}, (0, 0)),
        ("outputTokens", call(used=(100, 50), input_precision="exact", output_precision="partial"), {}, (50, 0)),
        ("cost", call("audio", used=(100, 50), output_precision="exact"), {}, (200, 0)),
        ("cost", call("new", used=(1, 1)), {}, (0, 999)),
        ("cost", call("new", used=(1, 1)), {"unknownPrice": "estimate"}, (0, 30)),
        ("cost", call(status=200), {}, (0, 999)),
        ("tokens", call(status=500, error="no"), {}, (0, 0)),
        ("requests", call(used=(1, 1), input_precision="estimated"), {}, (0, 0)),
    ],
)
def test_each_figure_has_a_word_for_how_well_it_is_known(
    measure: str, attempt: Attempt, options: dict[str, Any], expected: tuple[int, int]
) -> None:
    """`partial` where a kind has no price or the reply broke off, `estimated` where no provider has reported it."""
    if attempt.model == "audio":
        assert attempt.usage is not None
        attempt.usage.output_audio_tokens, attempt.model = 50, "cheap"
    marks, ctx, unit = Marks(), asked(), MICRO if measure == "cost" else 1
    held = 999 * unit
    ctx.attempts.append(attempt)
    estimator().settle(rule(measure, "5 USD" if measure == "cost" else 5, **options), ctx, [attempt], held, marks)

    assert (marks.partial, marks.estimated) == tuple(unit * part for part in expected)


def test_requests_count_where_something_was_sent() -> None:
    assert settled(rule("requests", 5), call(status=500, error="no"), held=1) == 1
    assert settled(rule("concurrent", 5), call(status=200), held=1) == 0


def test_an_answer_of_a_model_without_a_price_takes_what_was_reserved() -> None:
    assert settled(rule(), call("new", (1, 1), status=200)) == 999
    assert settled(rule(unknownPrice="free"), call("new", (1, 1), status=200)) == 0


LIMITS = [
    rule("requests", 9), rule("concurrent", 9), rule("tokens", 9), rule("inputTokens", 9), rule("outputTokens", 9),
    rule(), rule("cost", "9_000_000 USD"), rule(unknownPrice="free"), rule(unknownPrice="estimate"),
]  # fmt: skip


@given(
    st.sampled_from(["cheap", "dear", "assumed", "unknown"]),
    st.lists(st.builds(Counted, st.one_of(st.none(), st.integers(0, 10**9)), st.sampled_from([None, 0, 7, 10**9]))),
    st.sampled_from(["generate", "embed", "count_tokens", "native"]),
    st.lists(st.sampled_from(LIMITS), max_size=4),
)
def test_all_limits_of_a_request_are_settled_as_each_by_itself(
    model: str, usages: list[Counted], operation: str, limits: list[Rule]
) -> None:
    ctx, found = asked(operation), estimator()
    ctx.attempts = [Attempt(model, f"x/{model}", status=200, usage=usage) for usage in usages]

    charged = found.settle_plain(ctx, limits, [5] * len(limits), KnownPrices())

    if charged is None:
        assert operation != "generate" or len(usages) != 1 or None in (usages[0].input_tokens, usages[0].output_tokens)
    else:
        assert charged == [found.settle(limit, ctx, ctx.attempts, 5) for limit in limits]
