"""Embeddings in canonical form: a request in parts has the reply of the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import DialectError, Usage
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest, plain_text


@given(st.integers(1, 50), st.integers(1, 60), st.booleans())
def test_parts_have_every_input_once_in_order(inputs: int, most: int, titled: bool) -> None:
    texts: list[str | list[int]] = [f"text {number}" for number in range(inputs)]
    titles: list[str | None] = [f"title {number}" for number in range(inputs)] if titled else []
    parts = EmbeddingRequest("m", texts, titles=titles, dimensions=3).split(most)

    assert all(0 < len(part.inputs) <= most and part.dimensions == 3 for part in parts)
    assert [text for part in parts for text in part.inputs] == texts
    assert [title for part in parts for title in part.titles] == titles
    assert all(len(part.titles) == len(part.inputs) for part in parts if titled)


def test_replies_to_parts_become_one() -> None:
    request = EmbeddingRequest("m", ["a", "b", "c"])
    joined = request.join(
        [
            EmbeddingReply([[1.0], [2.0]], "m-1", Usage(input_tokens=4), "first"),
            EmbeddingReply([[3.0]], "m-1", Usage(input_tokens=2, estimated=True), "second"),
        ]
    )

    assert joined.vectors == [[1.0], [2.0], [3.0]]
    assert (joined.model, joined.id) == ("m-1", "first")
    assert joined.usage == Usage(input_tokens=6, estimated=True)


@pytest.mark.parametrize(
    ("counted", "total"),
    [
        ([None, None], None),
        ([None, Usage(input_tokens=2)], Usage(input_tokens=2)),
        ([Usage(input_tokens=2), None], Usage(input_tokens=2)),
        ([Usage(), Usage(input_tokens=2)], Usage(input_tokens=2)),
        ([Usage(), Usage()], Usage()),
    ],
    ids=["none", "second", "first", "unknown first", "unknown"],
)
def test_counts_that_are_missing_are_not_zero(counted: list[Usage | None], total: Usage | None) -> None:
    request = EmbeddingRequest("m", ["a", "b"])

    assert request.join([EmbeddingReply([[1.0]], usage=usage) for usage in counted]).usage == total


def test_tokens_of_another_vocabulary_are_refused_with_their_place() -> None:
    assert plain_text("text", 0) == "text"
    with pytest.raises(DialectError, match=r"input\[3\]: tokens"):
        plain_text([1, 2], 3)
