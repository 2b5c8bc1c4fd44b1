"""Bodies of operations: what is missing or of another type is reported with its place."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.operations.reading import (
    count,
    json_reply,
    json_request,
    numbers,
    object_of,
    positive,
    text,
    texts,
)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": 1} x'], ids=["empty", "open", "not UTF-8", "two values"])
def test_a_body_that_cannot_be_decoded_is_refused(body: bytes) -> None:
    with pytest.raises(DialectError, match="not valid JSON"):
        object_of(body)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1"])
def test_a_body_is_an_object(body: bytes) -> None:
    with pytest.raises(DialectError, match="expected a JSON object"):
        object_of(body)


@pytest.mark.parametrize("value", [None, 1, [], {}])
def test_a_text_has_to_be_there(value: Any) -> None:
    with pytest.raises(DialectError, match="query: expected a string") as caught:
        text({"query": value}, "query")

    assert caught.value.path == "query"
    assert text({"query": ""}, "query") == ""


@pytest.mark.parametrize("value", [None, "a", ["a", 1], {"a": "b"}])
def test_texts_are_a_list_of_texts(value: Any) -> None:
    with pytest.raises(DialectError, match="expected an array of strings"):
        texts(value, "texts")

    assert texts(["a"], "texts") == ["a"]


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True, []])
def test_a_positive_number_is_whole_and_at_least_one(value: Any) -> None:
    with pytest.raises(DialectError, match="top_n: expected a whole number from 1 on"):
        positive({"top_n": value}, "top_n")


def test_a_positive_number_may_be_left_out() -> None:
    assert positive({}, "top_n") is None
    assert positive({"top_n": None}, "top_n") is None
    assert positive({"top_n": 3}, "top_n") == 3


@pytest.mark.parametrize("value", [None, 1.0, ["1"], [None], [True], {"0": 1.0}])
def test_a_vector_is_a_list_of_numbers(value: Any) -> None:
    with pytest.raises(DialectError, match="expected an array of numbers"):
        numbers(value, "embedding")


@pytest.mark.parametrize(
    ("value", "counted"),
    [(3, 3), (3.0, 3), (0, 0), (3.5, None), (-1, None), (True, None), ("3", None), (None, None), (float("inf"), None)],
    ids=str,
)
def test_a_reported_count_is_a_whole_number_or_unknown(value: Any, counted: int | None) -> None:
    assert count(value) == counted


def test_bodies_are_written_as_json() -> None:
    request, reply = json_request("/embed", {"a": "é"}), json_reply({"b": 1})

    assert (request.method, request.path, request.headers.get("content-type")) == ("POST", "/embed", "application/json")
    assert object_of(request.body) == {"a": "é"}
    assert (reply.status, reply.headers.get("content-type"), object_of(reply.body)) == (
        200, "application/json", {"b": 1},
    )  # fmt: skip
