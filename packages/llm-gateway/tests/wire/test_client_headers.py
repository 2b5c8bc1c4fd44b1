"""The headers of a client's request are a list once somebody looks at them."""

from __future__ import annotations

from llm_gateway.server.http1.head import Head
from llm_gateway.wire.client_headers import ClientHeaders


def _head() -> Head:
    return Head("POST", "/a", "", [("host", "h"), ("x-a", "1")], 3)


def test_they_are_those_of_the_head() -> None:
    headers = ClientHeaders(_head())

    assert headers.get("x-a") == "1"
    assert "host" in headers
    assert headers.copy() == headers
    assert headers.is_as_it_came


def test_a_change_is_seen_and_stays_out_of_the_head() -> None:
    for change in (
        lambda headers: headers.items.append(("x-b", "2")),
        lambda headers: headers.set("x-a", "2"),
        lambda headers: headers.remove("host"),
    ):
        head = _head()
        headers = ClientHeaders(head)
        change(headers)

        assert not headers.is_as_it_came
        assert head.headers == [("host", "h"), ("x-a", "1")]
