"""Counts in a body that was handed on as it came: found in its first and last bytes, without decoding it."""

from __future__ import annotations

import json

import pytest

from llm_gateway.exchange.usage import usage_in_body


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"usage": {"prompt_tokens": 7, "total_tokens": 7}}, (7, None)),
        ({"usage": {"input_tokens": 5, "output_tokens": 2, "details": {"cached": 1}}}, (5, 2)),
        ({"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 3}}, (4, 3)),
        ({"usage": {"total_tokens": 9}}, (9, None)),
        ({"embeddings": [], "prompt_eval_count": 4}, (4, None)),
        ({"meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2}}}, (2, None)),
        ({"meta": {"billed_units": {"input_tokens": 2, "output_tokens": 3}, "tokens": {"input_tokens": 9}}}, (2, 3)),
    ],
)
def test_counts_are_found_under_each_vendors_names(usage: object, counts: tuple[int, int | None]) -> None:
    found = usage_in_body(b"", json.dumps(usage).encode())

    assert found is not None
    assert (found.input_tokens, found.output_tokens) == counts


def test_the_end_of_a_body_goes_before_its_beginning() -> None:
    found = usage_in_body(b'{"usage":{"input_tokens":1}', b'"usage":{"input_tokens":2}}')

    assert found is not None
    assert found.input_tokens == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"usage":null}',
        b'{"usage":{"prompt_tokens":true}}',
        b'"usage":{"a":',
        b'"meta":{"billed_units":{"search_units":1}}',
        b'"meta":{"billed_units":3}',
    ],
)
def test_a_body_that_reports_nothing_counts_nothing(body: bytes) -> None:
    assert usage_in_body(body, body) is None
