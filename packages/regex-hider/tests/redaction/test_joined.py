"""Texts that a reader may join are searched by themselves and across their ends."""

from __future__ import annotations

import random

import pytest
from llm_gateway_regex_hider import Rule, RuleSet, compile_rules
from llm_gateway_regex_hider.engine.automaton import FREE_WORK
from llm_gateway_regex_hider.redaction.bounds import Budget, Findings
from llm_gateway_regex_hider.redaction.joined import JoinedTexts, Slot

PATTERNS = [
    Rule(r"\b\d{3}-\d{2}-\d{4}\b", "[SSN]"),
    Rule(r"[a-z.]+@[a-z.]+\.[a-z]+", "[MAIL]"),
    Rule("x{3,5}", "[X]"),
]
RULES = RuleSet(compile_rules(PATTERNS))


def redacted(*texts: str, cuts: random.Random | None = None) -> list[str]:
    joined = JoinedTexts(RULES, max_size=8192, on_limit="mask", findings=Findings(), budget=Budget())
    slots: list[Slot] = []
    for text in texts:
        slot = joined.push("")
        slots.append(slot)
        at = 0
        while at < len(text):
            length = cuts.randint(1, 5) if cuts else len(text)
            assert joined.push(text[at : at + length]) is slot
            at += length
        joined.end()
    joined.close()
    assert not any(slot.is_pending for slot in slots)
    return [slot.take() for slot in slots]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a 123-4", "5-6789 b"], ["a [SSN]", " b"]),
        (["a 123-4", "5-67", "89 b"], ["a [SSN]", "", " b"]),
        (["a 123-4", "nothing"], ["a 123-4", "nothing"]),
        (["word", "123-45-6789"], ["word", "[SSN]"]),
        (["jane@example", ".org and jane@x.de"], ["[MAIL]", " and [MAIL]"]),
        (["jane@x.de", ".uk"], ["[MAIL]", ""]),
        (["xx", "xx 123-45-6789 123-", "45-6789"], ["[X]", " [SSN] [SSN]", ""]),
        (["", "123-45-6789", ""], ["", "[SSN]", ""]),
    ],
)
def test_what_begins_in_one_text_and_ends_in_another_is_hidden(texts: list[str], expected: list[str]) -> None:
    assert redacted(*texts) == expected


def test_it_does_not_matter_how_the_texts_are_cut() -> None:
    chance = random.Random(7)
    fragments = ["123-45-6789", "123-4", "5-6789", "jane@x", ".de", " ", "x", "xxx", "word", "."]
    for _ in range(400):
        texts = ["".join(chance.choices(fragments, k=chance.randint(0, 4))) for _ in range(chance.randint(1, 4))]
        assert redacted(*texts, cuts=chance) == redacted(*texts), texts


def test_what_is_certain_goes_out_while_the_text_is_written() -> None:
    joined = JoinedTexts(RULES, max_size=8192, on_limit="mask", findings=Findings(), budget=Budget())
    first = joined.push("hello 123")
    joined.end()
    assert first.take() == "hello"
    assert first.is_pending

    second = joined.push("0")
    assert first.take() == " 123"
    assert not first.is_pending
    assert second.is_pending
    assert second.take() == ""
    joined.close()
    assert second.take() == "0"


@pytest.mark.parametrize("spent_at", range(37))
@pytest.mark.parametrize("kind", ["matches", "microseconds", "work"])
def test_where_the_budget_is_spent_the_rest_is_hidden_in_every_text(kind: str, spent_at: int) -> None:
    """However little of a text is left then: nothing is shown, and nothing fails."""
    rules, budget = RuleSet(compile_rules(PATTERNS)), Budget(per_character=0.0)
    joined = JoinedTexts(rules, max_size=8192, on_limit="mask", findings=Findings(), budget=budget)
    slots: list[Slot] = []
    for step in range(37):
        if step == spent_at and kind == "work":
            # From here on, every state of the automaton that is new is charged.
            rules.automaton.work, budget.microseconds = FREE_WORK, 0.0
        elif step == spent_at:
            setattr(budget, kind, -1.0)
        if step == 36:
            break
        text = ["jane@x.de", "123-45-6789", "jane@x", ".de"][step // 3 % 4]
        if step % 3 == 2:
            joined.end()
        else:
            slots.append(joined.push([text[:4], text[4:]][step % 3]))
    joined.close()

    assert not any(slot.is_pending for slot in slots)
    shown = "".join([slot.take() for slot in slots])
    assert "jane" not in shown
    assert "6789" not in shown
