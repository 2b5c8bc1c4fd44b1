"""The limit on wrong credentials."""

from __future__ import annotations

from llm_gateway_sdk.guesses import TRUSTED_SECONDS, WINDOW_SECONDS, GuessLimit, network_of


def test_an_address_has_its_number_of_guesses_and_others_have_theirs() -> None:
    limit = GuessLimit(3)

    assert [limit.failed("a") for _ in range(5)] == [False, False, False, True, True]
    assert not limit.failed("b")


def test_guesses_are_forgotten_after_a_minute() -> None:
    now = 0.0
    limit = GuessLimit(1, clock=lambda: now)
    assert [limit.failed("a"), limit.failed("a")] == [False, True]
    now = WINDOW_SECONDS

    assert not limit.failed("a")


def test_addresses_that_are_invented_do_not_fill_the_memory() -> None:
    limit = GuessLimit(1, addresses=10)
    for number in range(1000):
        limit.failed(str(number))

    assert len(limit._counts) == 10


def test_after_too_many_guesses_an_address_is_refused_unheard_for_a_minute() -> None:
    now = 100.0
    limit = GuessLimit(2, clock=lambda: now)
    for _ in range(2):
        assert not limit.refuses("a", "guess")
        limit.failed("a")

    assert limit.refuses("a", "guess")
    assert not limit.refuses("b", "guess")
    now += WINDOW_SECONDS
    assert not limit.refuses("a", "guess")


def test_a_right_credential_is_heard_for_an_hour_where_it_came_from_and_no_other_is() -> None:
    now = 0.0
    limit = GuessLimit(1, clock=lambda: now)
    limit.succeeded("a", "right")
    limit.failed("a")
    limit.failed("b")

    assert not limit.refuses("a", "right")
    assert limit.refuses("a", "guess"), "one credential does not allow to try others"
    assert limit.refuses("b", "right")
    now += TRUSTED_SECONDS
    limit.failed("a")
    assert limit.refuses("a", "right")


def test_right_addresses_do_not_fill_the_memory() -> None:
    limit = GuessLimit(1, addresses=10)
    for number in range(100):
        limit.succeeded(str(number), "right")

    assert len(limit._trusted) == 10
    assert "right" not in repr(vars(limit))


def test_a_subscriber_with_many_ipv6_addresses_has_the_guesses_of_one() -> None:
    limit = GuessLimit(3)

    assert [limit.failed(f"2001:db8::{number:x}") for number in range(4)] == [False, False, False, True]
    assert not limit.failed("2001:db8:0:1::1")


def test_a_network_is_an_address_or_a_64() -> None:
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9")
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    for form in ("::ffff:192.0.2.1", "::ffff:c000:201", "64:ff9b::192.0.2.1"):
        assert network_of(form) == "192.0.2.1", "not one network with all other IPv4 addresses"
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert (network_of("192.0.2.1"), network_of(None), network_of("a:b:c")) == ("192.0.2.1", "", "a:b:c")
