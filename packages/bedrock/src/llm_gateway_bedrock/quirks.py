"""What a model on Bedrock does otherwise than its id suggests."""

from __future__ import annotations

from llm_gateway_sdk.dialects.quirks import FLAG, WORD, Quirks, choice

__all__ = ["QUIRKS"]

QUIRKS: Quirks = {
    "model_id": {
        **WORD,
        "description": "The model behind an application profile or an imported model, whose ARN does not name it.",
    },
    "system_turns": {**FLAG, "description": "Takes system turns within the conversation."},
    "thinking": {
        **choice("budget", "adaptive", "none"),
        "description": "The form of Claude's thinking; without it by the model's id.",
    },
    "no_sampling": {**FLAG, "description": "Refuses `temperature`, `top_p` and `top_k`."},
}
