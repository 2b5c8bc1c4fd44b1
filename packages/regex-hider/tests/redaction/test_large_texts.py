"""Large texts take linear time, and no step of theirs grows with the text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from llm_gateway_regex_hider import Rule, RuleSet, compile_rules, redact, redact_json
from llm_gateway_regex_hider.redaction import matching, redactor, whole_texts
from llm_gateway_regex_hider.redaction.bounds import Budget

from llm_gateway_sdk.wire.pieces import PIECE_BYTES

MAIL = "ann@mail.example"
RULES = RuleSet(compile_rules([Rule(r"\b\d{3}-\d{2}-\d{4}\b"), Rule(r"[a-z0-9_.+-]+@[a-z0-9.-]+\.[a-z0-9.]+")]))

JSON_TEXTS: dict[str, Callable[[int], str]] = {
    "lines": lambda count: json.dumps({"content": "a line of code\n" * count + MAIL}),
    "numbers": lambda count: json.dumps([*range(count), MAIL]),
    "strings": lambda count: json.dumps(["a word"] * count + [MAIL]),
    "keys": lambda count: json.dumps({f"k{number}": 1 for number in range(count)} | {MAIL: 1}),
    "escapes": lambda count: json.dumps("\u00e9" * count + MAIL),
    "not JSON": lambda count: "some words " * count + MAIL,
    "spaces": lambda count: " " * count + json.dumps(MAIL),
}


def seconds(text: str) -> float:
    """Of processor time, which other programs add little to."""
    begun = time.thread_time()
    shown = redact_json(text, RULES)
    taken = time.thread_time() - begun
    assert MAIL not in shown
    return taken


@pytest.mark.parametrize("make", JSON_TEXTS.values(), ids=JSON_TEXTS)
def test_a_json_text_takes_linear_time(make: Callable[[int], str]) -> None:
    """Sixteen times the text: once more than a hundred times the time, for parts of it were copied for each piece."""
    small, large = make(4000), make(64_000)
    seconds(small)  # the automaton is built while it is used

    assert seconds(large) < 48 * min(seconds(small) for _ in range(5)) + 0.05


@pytest.mark.parametrize("budget", [{}, {"trials": 0.0, "trials_per_character": 0.0}])
def test_a_text_full_of_matches_is_put_together_piece_by_piece(
    budget: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0

    def fold(spans: list[Any], folded: int) -> int:
        nonlocal most
        most = max(most, len(spans) - folded)
        return matching.fold(spans, folded)

    for module in (redactor, whole_texts):
        monkeypatch.setattr(module, "fold", fold)
    text = f"{MAIL} and " * 10_000

    shown = redact(text, RULES, budget=Budget(**budget))

    assert shown == redact(f"{MAIL} and ", RULES) * 10_000
    assert 0 < most <= matching.MOST_SPANS + 2


def test_what_stays_as_it_is_is_kept_in_pieces() -> None:
    text = "a" * (3 * PIECE_BYTES + 1)

    spans = matching.kept(text, 1, len(text))

    assert max(len(piece) for piece, _ in spans) <= PIECE_BYTES
    assert matching.joined(spans) == text[1:]


@pytest.mark.parametrize("count", [0, 1, 5, 100, 5000])
@pytest.mark.parametrize("piece", ["ab", "語", "a" * 1000])
def test_pieces_are_put_together_as_by_one_call(count: int, piece: str) -> None:
    assert matching.put_together([piece] * count) == piece * count


@pytest.mark.parametrize("before", [0, 5, 65_530, 65_536, 140_000])
@pytest.mark.parametrize("filler", ["a ", "12-34-", "b@c "])
def test_a_match_is_found_wherever_it_is_in_a_large_text(before: int, filler: str) -> None:
    start = (filler * before)[: before - 1] + " " if before else ""
    text = f"{start}123-45-6789 {filler * 100_000}"

    shown = redact(text, RULES)

    assert "123-45-6789" not in shown
    assert len(shown) < len(text)
