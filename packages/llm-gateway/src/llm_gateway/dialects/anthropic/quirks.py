"""What servers that speak the Messages API do otherwise than Anthropic."""

from __future__ import annotations

from llm_gateway_sdk.dialects.quirks import FLAG, Quirks, choice

__all__ = ["QUIRKS"]

QUIRKS: Quirks = {
    "system_turns": {
        **choice("fold", "keep"),
        "description": "`fold` puts system turns of the conversation into the system prompt, `keep` leaves them all in "
        "their place; without it those of Messages clients stay and others' are folded.",
    },
    "thinking": {
        **choice("budget", "adaptive", "none"),
        "description": "The form of thinking that the model takes; without it by the model's name.",
    },
    "effort": {**FLAG, "description": "Takes `output_config.effort` next to a budget."},
    "no_sampling": {**FLAG, "description": "Refuses `temperature`, `top_p` and `top_k`."},
    "unsigned_thinking": {**FLAG, "description": "Thinking without a signature is sent back."},
}
