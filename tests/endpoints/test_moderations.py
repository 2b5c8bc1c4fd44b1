"""Moderations by OpenAI's client."""

from __future__ import annotations

import openai
import pytest
from served_gateway import ServedGateway


@pytest.mark.parametrize("model", ["openai", "mistral"])
def test_openais_client_on_each_provider(gateway: ServedGateway, model: str) -> None:
    reply = gateway.openai().moderations.create(model=model, input=["Hello", "I will kill you"])

    assert [each.flagged for each in reply.results] == [False, True]
    assert reply.results[1].categories.violence is True
    assert reply.results[1].category_scores.violence == 0.9


def test_images_are_refused_where_they_are_not_moderated(gateway: ServedGateway) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with pytest.raises(openai.BadRequestError, match="texts only"):
        gateway.openai().moderations.create(model="mistral", input=[picture])  # type: ignore[list-item]
