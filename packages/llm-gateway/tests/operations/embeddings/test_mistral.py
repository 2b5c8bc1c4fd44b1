"""Mistral's embeddings: unknown fields are refused there, so that none is sent."""

from __future__ import annotations

import pytest
from embedding_cases import asked, written

from llm_gateway.operations.embeddings.mistral import MistralEmbeddings
from llm_gateway_sdk import DialectError
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest

FORM = MistralEmbeddings()


def test_only_fields_that_mistral_has_are_sent() -> None:
    request = asked(
        dimensions=64,
        user="u",
        purpose="query",
        truncate=True,
        provider_metadata={"openai": {"metadata": {"a": "b"}, "extra": 1}},
    )
    body, lost = written(FORM, request)

    assert body == {"model": "theirs", "input": ["a", "b"], "output_dimension": 64, "metadata": {"a": "b"}}
    assert lost == ["extra", "purpose", "truncate", "user"]


def test_floats_may_be_asked_for_by_name() -> None:
    assert written(FORM, asked(provider_metadata={"openai": {"output_dtype": "float"}}))[0]["output_dtype"] == "float"


@pytest.mark.parametrize("kind", ["int8", "ubinary", 3])
def test_vectors_of_another_type_are_refused(kind: object) -> None:
    with pytest.raises(DialectError, match="another type than float") as caught:
        written(FORM, asked(provider_metadata={"openai": {"output_dtype": kind}}))

    assert caught.value.path == "output_dtype"


def test_tokens_are_refused() -> None:
    with pytest.raises(DialectError, match="another vocabulary"):
        written(FORM, EmbeddingRequest("mine", [[1, 2]]))
