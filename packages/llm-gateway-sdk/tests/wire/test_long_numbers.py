from __future__ import annotations

import pytest

from llm_gateway_sdk.heavy import json_in_slices
from llm_gateway_sdk.wire import json, writing
from llm_gateway_sdk.wire.long_numbers import MOST_DIGITS, NumberTooLong, has_long_number
from llm_gateway_sdk.wire.many_values import MANY_BYTES

LONG = b"7" * (2 * MOST_DIGITS)
PLACES = [b"%b", b"[%b]", b'{"a":%b}', b'{"a": -%b }', b"[0.%b]", b"[1e%b]", b'["\\"",%b]', b'["\\\\", %b]']


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("ahead", [0, 1, 511, 512, 65_530])
def test_a_number_of_very_many_digits_is_found(place: bytes, ahead: int) -> None:
    text = place % LONG
    data = b'["%b",%b]' % (b"x" * ahead, text)

    assert has_long_number(data)
    assert not has_long_number(data.replace(LONG, b"7" * MOST_DIGITS))


@pytest.mark.parametrize("place", [b'"%b"', b'["a\\"%b"]', b'{"%b":1}', b'["\\\\\\"%b"]', b'["1,%b,1"]'])
@pytest.mark.parametrize("ahead", [0, 511, 65_530])
def test_digits_in_a_string_are_no_number(place: bytes, ahead: int) -> None:
    assert not has_long_number(b'["%b",%b]' % (b"x" * ahead, place % (LONG * 200)))


def test_a_long_text_with_such_a_number_is_refused() -> None:
    data = b'["%b",%b]' % (b"x" * MANY_BYTES, LONG)

    for reader in (json.loads, json.refuse_absurd_values):
        with pytest.raises(NumberTooLong):
            reader(data)
    with pytest.raises(NumberTooLong):
        json.loads(data.decode())


def test_few_numbers_are_written_by_one_call_where_each_is_long() -> None:
    """Each takes quadratic time."""
    value = [7**1000] * 100
    most = 0

    def encode(value: object) -> bytes:
        nonlocal most
        most = max(most, len(value) if isinstance(value, list) else 1)
        return json.dumps(value)

    pieces = writing.written(value, encode, lambda _: None)

    assert b"".join(pieces) == json.dumps(value)
    assert most <= 10
    with json_in_slices():
        assert json.dumps([1, 2, 3]) == b"[1,2,3]"
