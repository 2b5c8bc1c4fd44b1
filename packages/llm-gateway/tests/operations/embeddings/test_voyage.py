"""Voyage's embeddings as they are sent."""

from __future__ import annotations

from embedding_cases import asked, written

from llm_gateway.operations.embeddings.voyage import VoyageEmbeddings
from llm_gateway_sdk import Target

FORM = VoyageEmbeddings()


def test_every_field_is_sent() -> None:
    body, lost = written(FORM, asked(purpose="question", dimensions=64, truncate=False, user="u"))

    assert body == {
        "model": "theirs", "input": ["a", "b"], "input_type": "query", "output_dimension": 64, "truncation": False,
    }  # fmt: skip
    assert lost == ["user"]


def test_a_purpose_that_voyage_does_not_train_for_is_reported() -> None:
    body, lost = written(FORM, asked(purpose="clustering"))

    assert "input_type" not in body
    assert lost == ["purpose"]


def test_voyages_own_fields_go_before_the_canonical_ones() -> None:
    own = {"input_type": "document", "output_dimension": 32}
    body, lost = written(FORM, asked(purpose="query", dimensions=64, provider_metadata={"openai": own}))

    assert (body["input_type"], body["output_dimension"], lost) == ("document", 32, [])


def test_one_call_takes_1000_texts() -> None:
    assert FORM.most_inputs(Target(model="m")) == 1000
