"""Values of the wire: headers, requests, and sources of ids."""

from __future__ import annotations

import pytest

from llm_gateway_sdk import Headers, Mint, Target, WireReply, WireRequest


@pytest.fixture
def headers() -> Headers:
    return Headers([("Accept", "a"), ("X-Many", "1"), ("x-many", "2"), ("Host", "h")])


def test_names_are_lower_case_and_the_order_is_kept(headers: Headers) -> None:
    assert list(headers) == [("accept", "a"), ("x-many", "1"), ("x-many", "2"), ("host", "h")]
    assert (headers.get("x-many"), headers.get_all("x-many")) == ("1", ["1", "2"])
    assert (headers.get("absent"), headers.get("absent", "d"), headers.get_all("absent")) == (None, "d", [])
    assert ("host" in headers, "absent" in headers) == (True, False)


def test_setting_replaces_all_of_a_name_in_the_place_of_the_first(headers: Headers) -> None:
    headers.set("x-many", "3")
    headers.set("new", "n")

    assert list(headers) == [("accept", "a"), ("x-many", "3"), ("host", "h"), ("new", "n")]


def test_removing_takes_all_of_a_name(headers: Headers) -> None:
    headers.remove("x-many")
    headers.remove("absent")

    assert list(headers) == [("accept", "a"), ("host", "h")]


def test_a_copy_is_apart_and_equal(headers: Headers) -> None:
    copied = headers.copy()
    assert copied == headers

    copied.set("host", "other")
    assert headers.get("host") == "h"
    assert copied != headers


def test_changes_do_not_reach_a_list_that_was_taken_over() -> None:
    items = [("a", "1")]
    headers = Headers.of(items)
    headers.set("a", "2")
    headers.set("b", "3")

    assert items == [("a", "1")]


def test_credentials_are_not_in_what_is_printed() -> None:
    request = WireRequest(headers=Headers([("authorization", "Bearer sk-canary")]))

    assert "sk-canary" not in repr(request)


def test_requests_share_nothing() -> None:
    one, other = WireRequest(), WireRequest()
    one.headers.set("a", "b")

    assert (list(other.headers), list(WireReply().headers)) == ([], [])


def test_a_target_is_equal_by_what_it_is_and_not_by_what_was_found_out() -> None:
    one, other = Target("m", quirks={"a": 1}), Target("m", quirks={"a": 1})
    one.memo["found"] = 1

    assert one == other
    assert one != Target("m")


def test_ids_and_times_come_from_outside() -> None:
    mint = Mint(lambda prefix: f"{prefix}7", lambda: 1_700_000_000)

    assert (mint.id("chatcmpl-"), mint.now()) == ("chatcmpl-7", 1_700_000_000)
