"""Log probabilities of a stream spell nothing that is hidden, whatever chunks they come in."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from llm_gateway_regex_hider.patterns import Rule, RuleSet, compile_rules
from llm_gateway_regex_hider.redaction.logprobs import StreamedLogprobs, tokens_of
from llm_gateway_regex_hider.redaction.redactor import StreamRedactor
from llm_gateway_regex_hider.redaction.stream import StreamedReplyRedactor

from llm_gateway_sdk import Choice, LLMResponse, Message, Part, TextPart

TOKENS = ("a ", "sec", "ret", "-", "1", "2", " b")
SPELLED = "a secret-12 b"
RULES = RuleSet(compile_rules([Rule(r"secret-\d+", "[X]")]))


def chunk(*parts: Part, **fields: Any) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", list(parts)), **fields)])


def end() -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", []), finish_reason="stop")], final=True)


def stream(*chunks: LLMResponse) -> tuple[list[LLMResponse], StreamedReplyRedactor]:
    redactor = StreamedReplyRedactor(RULES, max_size=10_000, on_limit="mask")
    return [redactor.push(one, final=one.final) for one in chunks], redactor


def probable(tokens: tuple[str, ...], *, name: str = "content", text: str = "") -> Any:
    entries = [{"token": token, "logprob": -0.5} for token in tokens]
    return chunk(*([TextPart(text, index=0)] if text else []), logprobs={name: entries})


def spelled(chunks: list[Any], name: str = "content") -> str:
    """What a client reads that joins the tokens of all chunks."""
    read = ""
    for one in chunks:
        for choice in one.choices:
            read += dict(tokens_of(choice.logprobs or {})).get(name, "")
    return read


@pytest.mark.parametrize("name", ["content", "refusal"])
@pytest.mark.parametrize("cuts", list(combinations(range(1, 7), 2)), ids=str)
def test_tokens_in_chunks_without_text_are_searched_across_chunks(cuts: tuple[int, int], name: str) -> None:
    first, second = cuts
    pieces = [TOKENS[:first], TOKENS[first:second], TOKENS[second:]]

    sent, _ = stream(*[probable(piece, name=name) for piece in pieces], end())

    assert "secret-1" not in spelled(sent, name)
    assert "12" not in spelled(sent, name)


def test_tokens_that_come_later_than_their_text_are_not_sent_either() -> None:
    sent, _ = stream(chunk(TextPart(SPELLED, index=0)), probable(TOKENS[:4]), probable(TOKENS[4:]), end())

    assert "".join(one.text for one in sent) == "a [X] b"
    assert "secret" not in spelled(sent)


def test_a_match_that_only_tokens_spell_is_a_finding() -> None:
    _, redactor = stream(probable(TOKENS[:4]), probable(TOKENS[4:]), end())

    assert redactor.findings().total == 1


def test_tokens_that_spell_nothing_to_hide_arrive_all() -> None:
    tokens = ("sec", "ond", " sec")

    sent, _ = stream(*[probable((token,)) for token in tokens], end())

    assert spelled(sent) == "second sec"


def test_a_match_in_a_text_and_in_its_tokens_counts_once() -> None:
    held = StreamedLogprobs(lambda findings: StreamRedactor(RULES, findings=findings))

    held.push({"content": [{"token": "secret-1"}]})
    held.end()

    assert held.take(1) is None
    assert held.findings.total == 0

    held.push({"content": [{"token": "secret-1"}]})
    held.end()

    assert held.take(1) is None
    assert held.findings.total == 1
