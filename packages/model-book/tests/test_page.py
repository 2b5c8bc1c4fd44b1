from __future__ import annotations

from pathlib import Path

from llm_gateway_model_book import models_page, shipped_book

PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"


def test_the_page_is_that_of_the_book() -> None:
    written = PAGE.read_text(encoding="utf-8")

    assert written == models_page(shipped_book()), "run: llm-gateway models list --all --markdown > docs/models.md"


def test_a_row_has_facts_and_prices() -> None:
    row = next(line for line in models_page(shipped_book()).splitlines() if line.startswith("| `claude-opus-5-5`"))

    assert "| 128,000 | 4 | 20 | 0.2 |" in row
    assert "adaptive, always" in row
