"""Which replies have their proofs of reasoning settled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from llm_gateway_gemini import Gemini

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.exchange.attempt import LiveAttempt
from llm_gateway.exchange.request import ClientRequest
from llm_gateway.exchange.thoughts import settle_thoughts, thought_gate
from llm_gateway_sdk import Choice, Dialect, LLMRequest, LLMResponse, Message, TextPart
from llm_gateway_sdk.losses import Losses


def asked_by(dialect: Dialect) -> ClientRequest:
    request: Any = SimpleNamespace(dialect=dialect, ctx=SimpleNamespace(request=LLMRequest()))
    return cast(ClientRequest, request)


def test_a_reply_that_stays_in_its_dialect_is_left_alone() -> None:
    native: Any = SimpleNamespace(same_dialect=True)

    assert thought_gate(asked_by(Anthropic()), cast(LiveAttempt, native), Losses("response")) is None
    assert thought_gate(asked_by(Gemini()), None, Losses("response")) is None


def test_a_whole_reply_loses_a_proof_that_nothing_needs() -> None:
    signed = LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("hi", signature="s", signed_by="gemini")]))])
    losses = Losses("response")

    assert settle_thoughts(asked_by(Gemini()), None, signed, losses) is signed
    assert settle_thoughts(asked_by(Anthropic()), None, signed, losses).message.content == [TextPart("hi")]
    assert [loss.path for loss in losses] == ["choices[*].message.content[*].signature"]
