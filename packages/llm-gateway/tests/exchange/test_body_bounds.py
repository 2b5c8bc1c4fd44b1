from __future__ import annotations

import pytest

from llm_gateway.exchange.body_bounds import refuse_beyond_bounds
from llm_gateway_sdk import PayloadTooLarge
from llm_gateway_sdk.wire.text_bound import LARGEST_TEXT


def test_as_many_values_as_are_taken_are_not_refused() -> None:
    refuse_beyond_bounds(b'{"a":[' + b",".join([b"1"] * 99_000) + b"]}", 100_000)


def test_more_values_are_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="more than 100000 values"):
        refuse_beyond_bounds(b'{"a":[' + b",".join([b"1"] * 101_000) + b"]}", 100_000)


def test_a_text_that_would_take_too_much_memory_is_refused_with_its_place() -> None:
    body = '{"input":[{"content":"%s😀"}]}' % ("a" * (LARGEST_TEXT // 4))

    with pytest.raises(PayloadTooLarge) as raised:
        refuse_beyond_bounds(body.encode(), 100_000)

    assert raised.value.param == "input[0].content"
    assert raised.value.message.startswith("input[0].content: ")


def test_a_number_of_very_many_digits_is_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="512 digits"):
        refuse_beyond_bounds(b'{"temperature":%b}' % (b"1" * 70_000), 100_000)
