from __future__ import annotations

from llm_gateway_sdk import Payload


def test_what_stood_there_before_is_reported_only_after_a_change() -> None:
    payload = Payload(lambda: ["a"])
    assert payload.before_change() is None

    payload.value.append("b")

    assert payload.before_change() == ["a"]
    payload.value.pop()
    assert payload.before_change() is None
