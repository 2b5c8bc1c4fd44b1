"""Headers of replies: losses in one line, and what plugins may set."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.exchange import headers
from llm_gateway_sdk import GatewayError, Losses, RequestContext


def test_losses_fit_into_one_line_of_ascii_control_characters() -> None:
    losses = Losses()
    losses.dropped("metadata.a\r\nset-cookie: x")

    assert headers.loss_text(losses) == "dropped metadata.a set-cookie: x"


def test_many_losses_are_counted_where_they_do_not_fit() -> None:
    losses = Losses()
    for number in range(100):
        losses.dropped(f"metadata.a_rather_long_name_of_a_field_{number}")

    text = headers.loss_text(losses)

    assert text is not None
    assert len(text) <= 1000
    shown = text.count("dropped ")
    assert text.endswith(f"… and {100 - shown} more")


def test_nothing_lost_is_not_a_header() -> None:
    assert headers.loss_text(Losses()) is None


def names(ctx: RequestContext) -> dict[bytes, bytes]:
    return dict(headers.own(ctx, None, timed=False))


def test_plugins_set_headers_but_not_those_that_frame_the_body() -> None:
    ctx = RequestContext(request_id="r")
    ctx.reply_headers.update({"X-Cost": "0.1\r\nx: y", "Content-Length": "5", "bad name": "x", "connection": "a"})

    sent = names(ctx)

    assert sent[b"x-cost"] == b"0.1 x: y"
    assert not {b"content-length", b"bad name", b"connection", b"x"} & sent.keys()


def test_a_header_whose_name_is_not_a_string_is_the_plugins_error() -> None:
    ctx = RequestContext(request_id="r")
    ctx.reply_headers[5] = "x"  # type: ignore[index]

    with pytest.raises(GatewayError, match="name is 5"):
        names(ctx)


@pytest.mark.parametrize("value", ["a\r\nset-cookie: x=1", "a\nb", "a\0b", "half \ud800", "日本"], ids=ascii)
def test_what_no_head_can_hold_is_replaced(value: str) -> None:
    [(_, written)] = headers.of_error([("x-amzn-errortype", value)], [])

    assert not set(b"\r\n\0") & set(written)


UPSTREAM = {
    "plain": [("content-type", "application/json"), ("x-request-id", "r"), ("openai-processing-ms", "12")],
    "more than once": [("x-ratelimit-a", "1"), ("x-ratelimit-a", "2")],
    "not for clients": [("server", "x"), ("set-cookie", "a=b"), ("openai-organization", "o"), ("date", "d")],
    "for one hop": [("connection", "keep-alive"), ("x-ratelimit-a", "1")],
    "named by connection": [("x-ratelimit-a", "1"), ("connection", "close, X-RateLimit-A"), ("x-ratelimit-b", "2")],
    "long": [("x-ratelimit-a", "1" * 500)],
    "Latin-1": [("x-ratelimit-a", "\xe4")],
}


@pytest.mark.parametrize("kind", ["application/json", "", "application/json; charset=utf-8", "text/html"])
@pytest.mark.parametrize("case", UPSTREAM)
def test_lines_of_a_provider_are_its_headers_as_they_are_sent(case: str, kind: str) -> None:
    for _ in range(2):
        pairs = headers.relayed(UPSTREAM[case], kind)
        assert headers.relayed_lines(UPSTREAM[case], kind) == b"".join(b"%b: %b\r\n" % pair for pair in pairs)


def test_a_line_of_a_provider_that_would_break_the_head_is_refused() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="line break or NUL"):
            headers.relayed_lines([("x-ratelimit-a", "1\r\nx: y")], "")
    with pytest.raises(ValueError, match="line break or NUL"):
        headers.relayed_lines([], "a\nb: c")


@pytest.mark.parametrize("value", [1, True, 1.0, "1", "é\r\nx", "long " * 500])
def test_lines_of_plugins_are_their_headers_as_they_are_sent(value: Any) -> None:
    ctx = RequestContext(request_id="r")
    ctx.reply_headers.update({"x-a": value, "Content-Length": "5"})

    for _ in range(2):
        lines = headers.lines_of_plugins(ctx)
        assert lines == b"".join(b"%b: %b\r\n" % header for header in headers.of_plugins(ctx))
    assert lines.count(b"\n") == 1
