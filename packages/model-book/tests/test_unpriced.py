"""What a model can be used for and has no price."""

from __future__ import annotations

import pytest
from llm_gateway_model_book import read_prices, shipped_book, unpriced_kinds

from llm_gateway_sdk import ModelFacts

TEXT = frozenset({"text"})


@pytest.mark.parametrize(
    ("facts", "prices", "lacks"),
    [
        ({"input": TEXT, "output": TEXT}, {"input": 1, "output": 2}, []),
        ({"caching": True}, {"input": 1, "output": 2}, ["cacheRead"]),
        ({"input": TEXT | {"audio"}, "output": TEXT}, {"input": 1, "output": 2}, ["inputAudio"]),
        ({"input": frozenset({"audio"}), "output": TEXT}, {"calls": {"second": 0.0001}}, []),
        ({"output": frozenset({"audio"})}, {"input": 1}, ["outputAudio"]),
        ({"output": frozenset({"image"})}, {"input": 1, "outputImage": 30}, []),
        ({"output": TEXT}, {"input": 1}, ["output"]),
        ({"output": frozenset({"embedding"})}, {"input": 1}, []),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, dict) else value),
)
def test_what_is_taken_or_made_without_a_price_is_listed(facts: dict, prices: dict, lacks: list[str]) -> None:
    found = read_prices(prices)
    assert found is not None

    assert unpriced_kinds(ModelFacts(name="m", **facts), found) == lacks


def test_models_of_sound_and_images_in_the_book_are_priced() -> None:
    lacking = {
        entry.name: unpriced_kinds(entry.facts, entry.prices)
        for entry in shipped_book().entries()
        if entry.prices is not None
        and (entry.facts.endpoints or frozenset()) & {"images", "speech", "transcriptions", "rerank", "ocr"}
    }

    assert {name: kinds for name, kinds in lacking.items() if kinds and kinds != ["cacheRead"]} == {}
    assert len(lacking) > 60
