"""What one look through the bytes of a request shows is what two looks show."""

from __future__ import annotations

import random

import pytest

from llm_gateway.exchange.body_signs import BodySigns, may_name_two_models, signs_of
from llm_gateway.exchange.signed_reasoning import has_wrapped

PIECES = [
    b'"model":"a"', b'"Model":1', b'"MODEL"', b'"gw1.x"', b'"Z3cxLabc"', b'"gw1"', b'"models"', b'\\"model\\"',
    b'model"', b'\\u0041', b'\\u0061', b'\\n', b'"', b"text", b"\\\\", b'"Z3cx', b'"gw1~',
]  # fmt: skip


def test_any_body_shows_what_the_looks_by_themselves_show() -> None:
    chance = random.Random(7)
    for _ in range(4000):
        body = b",".join(chance.choices(PIECES, k=chance.randint(0, 6)))
        assert signs_of(body) == BodySigns(has_wrapped(body), may_name_two_models(body)), body


@pytest.mark.parametrize("size", [10, 300 * 1024, 600 * 1024])
def test_signs_are_found_in_bodies_of_any_size(size: int) -> None:
    filling = b'{"model":"m","a":"' + b"a" * size
    large = size > 512 * 1024

    assert signs_of(filling + b'"}') == (False, large)
    assert signs_of(filling + b'","b":"gw1.x"}') == (True, large)
    assert signs_of(filling + b'","MODEL":"x"}') == (False, True)
