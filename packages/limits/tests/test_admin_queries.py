"""Values in queries that are not what they have to be are refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from llm_gateway_limits.admin_queries import moment_in, number_in, size_in

from llm_gateway_sdk.admin import AdminCall, AdminError


def call(**query: str) -> AdminCall:
    return AdminCall("ann", "127.0.0.1", {}, query)


def test_values_and_what_they_are_where_left_out() -> None:
    assert size_in(call(limit="1000"), "limit", 100) == 1000
    assert size_in(call(), "limit", 100) == 100
    assert number_in(call(after="0"), "after", 5) == 0
    assert number_in(call(after=""), "after", 5) == 5
    assert moment_in(call(since="1.5"), "since", 0.0) == 1.5
    assert moment_in(call(), "until", math.inf) == math.inf


@pytest.mark.parametrize(
    ("read", "written"),
    [
        (size_in, "0"),
        (size_in, "1001"),
        (size_in, "-1"),
        (number_in, "-1"),
        (number_in, "1.5"),
        (number_in, "²"),
        (moment_in, "nan"),
        (moment_in, "yesterday"),
    ],
)
def test_what_can_not_be_is_refused(read: Callable[[AdminCall, str, Any], object], written: str) -> None:
    with pytest.raises(AdminError, match="`x` is") as refused:
        read(call(x=written), "x", 1)
    assert refused.value.status == 400
