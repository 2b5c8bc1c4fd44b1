"""Laws of the vendors that train their vectors for a purpose."""

from __future__ import annotations

from typing import get_args

import pytest
from embedding_cases import asked, written

from llm_gateway.operations.embeddings.jina import JinaEmbeddings
from llm_gateway.operations.embeddings.purposes import PurposeEmbeddings
from llm_gateway.operations.embeddings.voyage import VoyageEmbeddings
from llm_gateway_sdk import DialectError
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest, Purpose

FORMS = pytest.mark.parametrize("form", [JinaEmbeddings(), VoyageEmbeddings()], ids=lambda form: form.name)


@FORMS
@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_a_purpose_is_sent_or_reported_as_lost(form: PurposeEmbeddings, purpose: Purpose) -> None:
    body, lost = written(form, asked(purpose=purpose))

    assert (form.purpose_field in body) is (lost == [])
    assert lost in ([], ["purpose"])


@FORMS
def test_without_a_purpose_none_is_sent(form: PurposeEmbeddings) -> None:
    body, lost = written(form, asked())

    assert (body, lost) == ({"model": "theirs", "input": ["a", "b"]}, [])


@FORMS
@pytest.mark.parametrize("value", ["text", True, 3], ids=repr)
def test_a_vendors_own_field_is_sent_in_its_type_and_else_reported_as_lost(
    form: PurposeEmbeddings, value: object
) -> None:
    for name, kind in form.own_fields.items():
        body, lost = written(form, asked(provider_metadata={"openai": {name: value}}))

        fits = type(value) is kind
        assert body.get(name) == (value if fits else None)
        assert lost == ([] if fits else [name])


@FORMS
def test_tokens_and_other_elements_are_refused(form: PurposeEmbeddings) -> None:
    with pytest.raises(DialectError, match="another vocabulary"):
        written(form, EmbeddingRequest("mine", [[1, 2]]))
    with pytest.raises(DialectError, match="not of binary"):
        written(form, asked(element="binary"))
