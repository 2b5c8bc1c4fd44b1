"""Jina's embeddings as they are sent."""

from __future__ import annotations

import pytest
from embedding_cases import asked, written

from llm_gateway.operations.embeddings.jina import JinaEmbeddings
from llm_gateway_sdk import Target
from llm_gateway_sdk.operations.embeddings import Purpose

FORM = JinaEmbeddings()


@pytest.mark.parametrize(
    ("purpose", "task"),
    [
        ("query", "retrieval.query"),
        ("question", "retrieval.query"),
        ("document", "retrieval.passage"),
        ("clustering", "separation"),
        ("similarity", "text-matching"),
        ("code", "code.query"),
    ],
)
def test_a_purpose_is_a_task(purpose: Purpose, task: str) -> None:
    assert written(FORM, asked(purpose=purpose))[0]["task"] == task


def test_every_field_is_sent() -> None:
    body, lost = written(FORM, asked(dimensions=64, truncate=True, user="u"))

    assert body == {"model": "theirs", "input": ["a", "b"], "dimensions": 64, "truncate": True}
    assert lost == ["user"]


def test_jinas_own_fields_come_through_openais_clients() -> None:
    own = {"task": "code.passage", "late_chunking": True, "normalized": False}
    body, lost = written(FORM, asked(purpose="query", provider_metadata={"openai": own}))

    assert {**body, **own} == body
    assert lost == []


def test_one_call_takes_512_texts() -> None:
    assert FORM.most_inputs(Target(model="m")) == 512
