"""The head of a request, and heads that are like it but for their length."""

from __future__ import annotations

from llm_gateway.server.http1.head import Head


def _head() -> Head:
    return Head("POST", "/a", "b=1", [("host", "h"), ("content-length", "3"), ("x-a", "1")], 3)


def test_a_head_like_another_has_its_own_length_and_shares_what_was_found_out() -> None:
    first = _head()
    first.facts["route"] = 1
    second = Head.like(first, 1, 12)

    assert (second.method, second.path, second.query, second.length) == ("POST", "/a", "b=1", 12)
    assert second.headers == [("host", "h"), ("content-length", "12"), ("x-a", "1")]
    assert first.headers[1] == ("content-length", "3")
    assert second.facts is first.facts
    assert second.keep_alive
    assert second.has_body


def test_a_head_without_a_length_is_like_another_without_one() -> None:
    first = Head("GET", "/a", "", [("host", "h")], 0)
    second = Head.like(first, -1, 0)

    assert second.headers == first.headers
    assert not second.has_body
