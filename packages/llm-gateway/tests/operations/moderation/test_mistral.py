"""Mistral's moderations in OpenAI's words."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.operations.moderation.mistral import MistralModeration
from llm_gateway_sdk import DialectError, Usage, WireReply
from llm_gateway_sdk.operations.moderation import ModerationReply, ModerationRequest
from llm_gateway_sdk.wire import json


def read(body: Any) -> ModerationReply:
    return MistralModeration().decode_reply(WireReply(200, body=json.dumps(body)), ModerationRequest("m", ["a"]))


def test_categories_and_scores_have_openais_names_where_it_has_one() -> None:
    reply = read(
        {
            "id": "x",
            "model": "mistral-moderation",
            "usage": {"prompt_tokens": 4},
            "results": [
                {
                    "categories": {"hate_and_discrimination": True, "selfharm": False, "pii": False},
                    "category_scores": {"hate_and_discrimination": 0.9, "selfharm": 0.1, "pii": 0.2},
                }
            ],
        }
    )

    assert reply.results[0].categories == {"hate": True, "self-harm": False, "pii": False}
    assert reply.results[0].scores == {"hate": 0.9, "self-harm": 0.1, "pii": 0.2}
    assert reply.results[0].flagged is True
    assert (reply.id, reply.model, reply.usage) == ("x", "mistral-moderation", Usage(input_tokens=4))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "4"}, []], ids=str)
def test_a_reply_without_a_count_has_no_usage(usage: Any) -> None:
    assert read({"results": [], "usage": usage}).usage is None


@pytest.mark.parametrize(
    "results",
    [None, "text", [1], [{"categories": ["hate"]}], [{"category_scores": "high"}]],
    ids=str,
)
def test_results_of_another_shape_are_a_failure(results: Any) -> None:
    with pytest.raises(DialectError, match="expected an"):
        read({"results": results})
