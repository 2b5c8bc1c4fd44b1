"""What a provider has left, and how long a request waits for it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llm_gateway_sdk.upstream_quota import UpstreamQuota

NOW = 1_790_000_000.0
ONE = {"requests": 1.0, "tokens": 1000.0, "input-tokens": 600.0, "output-tokens": 400.0}


def openai(remaining: int, *, limit: int = 60, reset: str = "60s", unit: str = "requests") -> list[tuple[str, str]]:
    return [
        (f"x-ratelimit-limit-{unit}", str(limit)),
        (f"x-ratelimit-remaining-{unit}", str(remaining)),
        (f"x-ratelimit-reset-{unit}", reset),
    ]


def learned(*headers: tuple[str, str], status: int = 200) -> UpstreamQuota:
    quota = UpstreamQuota()
    quota.learn("first", status, headers, NOW)
    return quota


def test_nothing_is_waited_for_before_the_first_reply() -> None:
    assert UpstreamQuota().wait(ONE, NOW) == 0


def test_what_is_left_is_sent_at_once_and_the_rest_when_it_has_come_back() -> None:
    quota = learned(*openai(2))
    for name in ("a", "b"):
        assert quota.wait(ONE, NOW) == 0
        quota.take(name, ONE, NOW)
    # 58 of 60 come back in 60 seconds.
    assert quota.wait(ONE, NOW) == pytest.approx(60 / 58)
    assert quota.wait(ONE, NOW + 1.1) == 0


def test_a_report_has_what_was_sent_before_it_and_not_what_was_sent_later() -> None:
    quota = learned(*openai(10, limit=6000))
    for name, at in (("a", 0), ("b", 10), ("c", 20)):
        quota.take(name, {"requests": 4}, NOW + at)
    quota.learn("b", 200, openai(5, reset="100h"), NOW + 20)
    assert quota.wait({"requests": 1}, NOW + 20) == 0
    assert quota.wait({"requests": 2}, NOW + 20) > 0, "4 of the 5 are for c"


def test_of_requests_that_overtake_each_other_each_is_taken_off() -> None:
    """The provider's first report is that of the request that was sent last."""
    quota = learned(*openai(10, reset="100h"))
    for number in range(10):
        quota.take(f"r{number}", {"requests": 1}, NOW + number / 100)
    quota.learn("r9", 200, openai(9, reset="100h"), NOW + 0.2)
    assert quota.wait({"requests": 1}, NOW + 0.2) > 0
    quota.learn("r0", 200, openai(8, reset="100h"), NOW + 0.2)
    assert quota.wait({"requests": 1}, NOW + 0.2) > 0


def test_the_report_of_an_earlier_request_does_not_count_after_that_of_a_later_one() -> None:
    quota = learned(*openai(10))
    quota.take("long", ONE, NOW)
    quota.take("short", ONE, NOW + 30)
    quota.learn("short", 200, openai(9), NOW + 31)
    quota.learn("long", 200, openai(0), NOW + 32)
    assert quota.wait(ONE, NOW + 32) == 0


def test_replies_that_begin_late_hold_up_no_others() -> None:
    """What was sent comes back with time, though no reply has begun."""
    quota = learned(*openai(0))
    for second in range(1, 200):
        assert quota.wait(ONE, NOW + second) == 0
        quota.take(f"r{second}", ONE, NOW + second)
    assert quota.wait(ONE, NOW + 199) > 0


def test_a_request_that_has_been_answered_is_in_the_report() -> None:
    quota = learned(*openai(1))
    quota.take("a", ONE, NOW)
    assert quota.wait(ONE, NOW) > 0
    quota.take("b", ONE, NOW + 10)
    quota.learn("b", 200, openai(1), NOW + 11)
    assert quota.wait(ONE, NOW + 11) == 0


def test_a_request_that_never_got_an_answer_takes_nothing_for_ever() -> None:
    quota = learned(*openai(1))
    quota.take("a", ONE, NOW)
    quota.release("a", NOW)
    quota.release("a", NOW)
    assert quota.wait(ONE, NOW) == 0


@pytest.mark.parametrize("unit", ["tokens", "input-tokens", "output-tokens"])
def test_anthropic_reports_moments_and_tokens_of_each_kind(unit: str) -> None:
    full = datetime.fromtimestamp(NOW + 30, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    quota = learned(
        (f"anthropic-ratelimit-{unit}-limit", "4000"),
        (f"anthropic-ratelimit-{unit}-remaining", "0"),
        (f"anthropic-ratelimit-{unit}-reset", full),
    )
    assert quota.wait(ONE, NOW) == pytest.approx(30 * ONE[unit] / 4000)
    assert quota.wait({"requests": 1.0}, NOW) == 0


def test_what_is_larger_than_the_whole_rate_goes_when_that_is_full() -> None:
    quota = learned(*openai(0, limit=500, reset="10s", unit="tokens"))
    assert quota.wait(ONE, NOW) == pytest.approx(10)
    assert quota.wait(ONE, NOW + 10) == 0


def test_after_a_refusal_nothing_is_sent_for_as_long_as_the_provider_asks() -> None:
    quota = learned(("retry-after", "7"), status=429)
    assert quota.wait(ONE, NOW) == pytest.approx(7)
    assert quota.wait(ONE, NOW + 7) == 0
    assert 0 < learned(status=429).wait(ONE, NOW) <= 1


def test_the_late_answer_to_an_earlier_request_does_not_end_that_wait() -> None:
    quota = learned(("retry-after", "7"), status=429)
    quota.learn("earlier", 200, [], NOW + 1)
    assert quota.wait(ONE, NOW + 1) == pytest.approx(6)


def test_a_rate_without_limit_or_reset_fills_within_a_minute() -> None:
    quota = learned(*openai(10)[:2][1:])
    quota.learn("second", 200, [("x-ratelimit-remaining-requests", "0")], NOW)
    assert 0 < quota.wait(ONE, NOW) <= 60


def test_a_short_wait_in_whole_seconds_measures_nothing() -> None:
    """One of 4,000 is missing, and back in a moment: no rate of one per second."""
    moment = datetime.fromtimestamp(NOW + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    names = ("limit", "4000"), ("remaining", "3999"), ("reset", moment)
    quota = learned(*((f"anthropic-ratelimit-requests-{what}", value) for what, value in names))
    for number in range(3999):
        quota.take(f"r{number}", {"requests": 1}, NOW)
    assert quota.wait({"requests": 1}, NOW) == pytest.approx(60 / 4000)


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-5", "1e400", "9" * 400, "٣"])
def test_what_is_not_a_number_is_left_out(value: str) -> None:
    headers = [(name, value) for name, _ in openai(0)]
    wait = learned(*headers).wait(ONE, NOW)
    assert 0 <= wait < 1e9


@pytest.mark.parametrize("wait", ["99999999", "1e9", "Fri, 31 Dec 9999 23:59:59 GMT", "86400"])
@pytest.mark.parametrize("status", [200, 429])
def test_a_model_is_asked_again_after_some_minutes_whatever_its_provider_asks_for(status: int, wait: str) -> None:
    """A wait of a month may be a slip, and only a reply can correct it."""
    spent = ("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-limit-requests", "60")
    quota = learned(*spent, ("x-ratelimit-reset-requests", wait), ("retry-after", wait), status=status)

    assert 0 < quota.wait(ONE, NOW) <= 300
    assert quota.wait(ONE, NOW + 301) == 0
