"""The reasoning of a translated reply, which goes to the client by the rules in `unasked_thoughts` of the SDK."""

from __future__ import annotations

from llm_gateway_sdk import LLMResponse
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
    gate = thought_gate(request, attempt, losses)
    return response if gate is None else gate.whole(response)
