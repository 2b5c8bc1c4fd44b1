"""The reasoning of a translated reply, which goes to the client by the rules in `unasked_thoughts` of the SDK."""

from __future__ import annotations

from llm_gateway_sdk import LLMResponse, TextPart
from llm_gateway_sdk.dialects.unasked_thoughts import ThoughtGate
from llm_gateway_sdk.losses import Losses

from .attempt import LiveAttempt
from .request import ClientRequest

__all__ = ["settle_thoughts", "thought_gate"]


def thought_gate(request: ClientRequest, attempt: LiveAttempt | None, losses: Losses) -> ThoughtGate | None:
    """None where the reply is in the dialect that it came in, or the client's dialect hides proofs anyway."""
    dialect = request.dialect
    if dialect.thoughts == "hidden" or (attempt is not None and attempt.same_dialect):
        return None
    return ThoughtGate(dialect, lambda: request.ctx.request, losses)


def settle_thoughts(
    request: ClientRequest, attempt: LiveAttempt | None, response: LLMResponse, losses: Losses
) -> LLMResponse:
    """A whole reply without the proofs that nothing in it needs."""
    if _is_text_alone(response):
        return response
    gate = thought_gate(request, attempt, losses)
    return response if gate is None else gate.whole(response)


def _is_text_alone(response: LLMResponse) -> bool:
    """Whether a reply is unsigned texts, as most are: a gate would hold nothing of it."""
    for choice in response.choices:
        for part in choice.message.content:
            if type(part) is not TextPart or part.signature is not None:
                return False
    return True
