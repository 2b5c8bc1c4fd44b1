"""Proofs of reasoning reach a client where something needs them. Every order of up to four parts is tried, in every cut
of the reply into chunks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any, ClassVar, Literal, cast

import pytest

from llm_gateway_sdk import (
    Choice,
    Dialect,
    LLMRequest,
    LLMResponse,
    Message,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.dialects.unasked_thoughts import ThoughtGate
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.request import Reasoning
from llm_gateway_sdk.response import Accumulator

ASKED = LLMRequest(reasoning=Reasoning("low"))
UNASKED = LLMRequest()


class Client:
    """What the gate asks of a dialect."""

    name: ClassVar[str] = "mine"
    signs_texts = False
    thoughts: Literal["blocks", "apart", "hidden"] = "blocks"

    def asks_for_thoughts(self, request: LLMRequest) -> bool:
        return request.reasoning is not None


class Apart(Client):
    thoughts: Literal["blocks", "apart", "hidden"] = "apart"
    signs_texts = True


def made(kind: str, index: int) -> list[Part]:
    """The fragments of a part."""
    match kind:
        case "text":
            return [TextPart("a ", index=index), TextPart("b", index=index)]
        case "signed text":
            return [TextPart("a ", index=index), TextPart("b", index=index, signature="t", signed_by="other")]
        case "thought":
            return [ThinkingPart("why", index=index), ThinkingPart(index=index, signature="s", signed_by="other")]
        case "proof":
            return [ThinkingPart(index=index), ThinkingPart(index=index, signature="s", signed_by="other")]
        case "encrypted":
            return [ThinkingPart(index=index, redacted="r", signed_by="other")]
        case _:
            return [ToolCallPart(f"c{index}", "f", "", index=index), ToolCallPart("", "", "{}", index=index)]


KINDS = ("text", "signed text", "thought", "proof", "encrypted", "call")
ORDERS = [order for length in (1, 2, 3) for order in product(KINDS, repeat=length)]
ORDERS += [
    ("proof", "text", "call", "text"),
    ("text", "encrypted", "proof", "call"),
    ("call", "proof", "call", "proof"),
]


def chunks_of(fragments: list[Part], size: int) -> Iterator[LLMResponse]:
    for at in range(0, len(fragments), size):
        yield LLMResponse(choices=[Choice(0, Message("assistant", fragments[at : at + size]))])
    yield LLMResponse(choices=[Choice(0, finish_reason="stop")])


def passed(
    fragments: list[Part], request: LLMRequest, size: int, client: Client | None = None
) -> tuple[list[Part], list[str]]:
    losses = Losses("response")
    gate = ThoughtGate(cast(Dialect, client or Client()), lambda: request, losses)
    total = Accumulator()
    for chunk in chunks_of(fragments, size):
        parts = chunk.message.content
        proven = any(isinstance(part, ThinkingPart) or part.signature is not None for part in parts)
        total.add(gate.let_through(chunk) if gate.watches or proven else chunk)
    gate.close()
    return total.value().message.content, [str(loss) for loss in losses]


def is_proof(part: Any) -> bool:
    return (
        isinstance(part, ThinkingPart) or (isinstance(part, TextPart) and part.signature is not None)
    ) and not part.text


@pytest.mark.parametrize("request_", [ASKED, UNASKED], ids=["asked", "unasked"])
def test_a_proof_goes_out_before_what_needs_it_and_else_not(request_: LLMRequest) -> None:
    for order in ORDERS:
        fragments = [part for index, kind in enumerate(order) for part in made(kind, index)]
        results = [passed(fragments, request_, size) for size in (1, 2, len(fragments))]
        content, lost = results[0]
        where = f"{order}: {content}"

        assert all(result == results[0] for result in results), where
        assert not content or not is_proof(content[-1]), where
        if request_ is UNASKED:
            for part, following in pairwise(content):
                # Those of one call are together before it.
                assert not is_proof(part) or is_proof(following) or isinstance(following, ToolCallPart), where
        words = [part for part in content if not is_proof(part)]
        assert [type(part) for part in words] == [
            type(made(kind, 0)[0]) for kind in order if kind not in ("proof", "encrypted")
        ], where
        sent = sum(part.signature is not None or getattr(part, "redacted", None) is not None for part in content)
        signed = sum(kind not in ("text", "call") for kind in order)
        assert bool(lost) == (sent < signed), where
        if "call" in order:
            last = len(order) - 1 - order[::-1].index("call")
            before = sum(kind not in ("text", "call") for kind in order[:last])
            assert sent >= before, where


def test_a_field_next_to_the_answer_takes_what_is_asked_for_at_its_end() -> None:
    fragments = [*made("signed text", 0), *made("proof", 1)]

    content, lost = passed(fragments, ASKED, 1, Apart())
    assert [part.signature for part in content] == ["t", "s"]
    assert lost == []

    content, lost = passed(fragments, UNASKED, 1, Apart())
    assert [part.signature for part in content] == ["t"]
    assert lost == ["dropped choices[*].message.thoughts[*].signature (nothing in the answer needs it)"]


def test_a_call_in_another_choice_of_the_one_answer_has_its_proof() -> None:
    choices = [Choice(0, Message("assistant", made("proof", 0))), Choice(1, Message("assistant", made("call", 0)))]
    gate = ThoughtGate(cast(Dialect, Client()), lambda: UNASKED, Losses("response"))

    answer = gate.whole(LLMResponse(choices=choices))

    assert [part.signature for part in answer.choices[1].message.content[:2]] == [None, "s"]


def test_the_clients_own_proofs_and_the_chunks_stay_as_they_are() -> None:
    own = ThinkingPart(index=0, signature="s", signed_by="mine")
    chunk = LLMResponse(choices=[Choice(0, Message("assistant", [own, *made("proof", 1)]))])
    gate = ThoughtGate(cast(Dialect, Client()), lambda: UNASKED, Losses("response"))

    assert gate.let_through(chunk).message.content == [own]
    assert len(chunk.message.content) == 3
