"""What servers that speak Responses do otherwise than OpenAI."""

from __future__ import annotations

from llm_gateway_sdk.dialects.quirks import FLAG, Quirks

__all__ = ["QUIRKS"]

QUIRKS: Quirks = {
    "no_encrypted_reasoning": {
        **FLAG,
        "description": "Never ask for `reasoning.encrypted_content` on behalf of clients of other APIs.",
    },
}
